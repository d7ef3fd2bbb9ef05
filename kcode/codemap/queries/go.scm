(function_declaration name: (identifier) @name) @def.function
(method_declaration receiver: (parameter_list (parameter_declaration type: [(type_identifier) @outer (pointer_type (type_identifier) @outer) (generic_type type: (type_identifier) @outer) (pointer_type (generic_type type: (type_identifier) @outer))])) name: (field_identifier) @name) @def.method
(type_spec name: (type_identifier) @name type: (struct_type)) @def.struct
(type_spec name: (type_identifier) @name type: (interface_type)) @def.interface
(type_spec name: (type_identifier) @name type: [(type_identifier) (map_type) (slice_type) (array_type) (function_type) (channel_type) (pointer_type) (qualified_type) (generic_type)]) @def.type
(type_alias name: (type_identifier) @name) @def.type
(source_file (const_declaration (const_spec name: (identifier) @name) @def.constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @def.variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @def.variable)))
(interface_type (method_elem name: (field_identifier) @name) @def.method)

; references
(call_expression function: (identifier) @ref)
(call_expression function: (selector_expression field: (field_identifier) @ref))
(type_identifier) @ref
(selector_expression operand: (identifier) @ref)
(argument_list (identifier) @ref)
