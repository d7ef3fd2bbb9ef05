(class_declaration name: (type_identifier) @name) @def.class
(class_declaration name: (user_type (type_identifier) @name)) @def.extension
(protocol_declaration name: (type_identifier) @name) @def.interface
(typealias_declaration name: (type_identifier) @name) @def.type
(class_body (function_declaration name: (simple_identifier) @name) @def.method)
(protocol_function_declaration name: (simple_identifier) @name) @def.method
(function_declaration name: (simple_identifier) @name) @def.function
(source_file (property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @def.constant)

; references
(call_expression (simple_identifier) @ref)
(call_expression (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @ref)))
(user_type (type_identifier) @ref)
(navigation_expression target: (simple_identifier) @ref)
