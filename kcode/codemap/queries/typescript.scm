(abstract_class_declaration name: (type_identifier) @name) @def.class
(interface_declaration name: (type_identifier) @name) @def.interface
(type_alias_declaration name: (type_identifier) @name) @def.type
(enum_declaration name: (identifier) @name) @def.enum
(module name: [(identifier) (string)] @name) @def.module
(internal_module name: (identifier) @name) @def.module
(method_signature name: (property_identifier) @name) @def.method
(abstract_method_signature name: (property_identifier) @name) @def.method
(function_signature name: (identifier) @name) @def.function
(public_field_definition name: (property_identifier) @name value: [(arrow_function) (function_expression)]) @def.method

; references
(type_identifier) @ref
(extends_clause value: (identifier) @ref)
