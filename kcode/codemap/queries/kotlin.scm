(class_declaration name: (identifier) @name) @def.class
(object_declaration name: (identifier) @name) @def.class
(companion_object name: (identifier) @name) @def.class
(class_body (function_declaration name: (identifier) @name) @def.method)
(enum_class_body (function_declaration name: (identifier) @name) @def.method)
(class_body (property_declaration (modifiers (property_modifier "const")) (variable_declaration (identifier) @name)) @def.constant)
(class_body (property_declaration (variable_declaration (identifier) @name)) @def.property)
(function_declaration name: (identifier) @name) @def.function
(source_file (property_declaration (variable_declaration (identifier) @name)) @def.constant)
(type_alias type: (identifier) @name) @def.type

; references
(call_expression (identifier) @ref)
(call_expression (navigation_expression (_) (identifier) @ref))
(user_type (identifier) @ref)
(navigation_expression . (identifier) @ref)
(callable_reference (identifier) @ref)
(value_argument (identifier) @ref)
