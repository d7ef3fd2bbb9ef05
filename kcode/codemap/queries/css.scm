(rule_set (selectors (class_selector (class_name) @name))) @def.rule
(rule_set (selectors (id_selector (id_name) @name))) @def.rule
(keyframes_statement (keyframes_name) @name) @def.rule
(declaration (property_name) @name (#match? @name "^--")) @def.variable

; references
(call_expression (arguments (plain_value) @ref))
