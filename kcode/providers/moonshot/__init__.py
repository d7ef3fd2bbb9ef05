"""What Moonshot's open platform offers beside chat: balance, token counts, files, tools it runs itself."""
