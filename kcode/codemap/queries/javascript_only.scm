; what only plain JavaScript spells this way

; references
(class_heritage (identifier) @ref)
