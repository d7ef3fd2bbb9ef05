(class_definition name: (identifier) @name) @def.class
(object_definition name: (identifier) @name) @def.class
(trait_definition name: (identifier) @name) @def.trait
(enum_definition name: (identifier) @name) @def.enum
(type_definition name: (type_identifier) @name) @def.type
(template_body (function_definition name: (identifier) @name) @def.method)
(template_body (function_declaration name: (identifier) @name) @def.method)
(template_body (val_definition pattern: (identifier) @name) @def.constant)
(function_definition name: (identifier) @name) @def.function
(given_definition name: (identifier) @name) @def.constant

; references
(call_expression function: (identifier) @ref)
(call_expression function: (field_expression field: (identifier) @ref))
(type_identifier) @ref
(instance_expression (type_identifier) @ref)
(field_expression value: (identifier) @ref)
