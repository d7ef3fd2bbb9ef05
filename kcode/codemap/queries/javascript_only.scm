; what only plain JavaScript spells this way
(field_definition property: (property_identifier) @name value: [(arrow_function) (function_expression)]) @def.method

; references
(class_heritage (identifier) @ref)
