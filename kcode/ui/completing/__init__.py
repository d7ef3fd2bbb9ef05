"""What is offered while a message is typed: commands, files, symbols."""
