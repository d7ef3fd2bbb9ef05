(class_declaration name: (identifier) @name) @def.class
(record_declaration name: (identifier) @name) @def.class
(struct_declaration name: (identifier) @name) @def.struct
(interface_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(delegate_declaration name: (identifier) @name) @def.type
(method_declaration name: (identifier) @name) @def.method
(constructor_declaration name: (identifier) @name) @def.method
(property_declaration name: (identifier) @name) @def.property
(indexer_declaration "this" @name) @def.property
(event_declaration name: (identifier) @name) @def.property
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @def.property
(operator_declaration operator: _ @name) @def.method
(field_declaration (modifier ["const" "static"]) (variable_declaration (variable_declarator name: (identifier) @name))) @def.constant
(namespace_declaration name: (_) @name) @def.module
(file_scoped_namespace_declaration name: (_) @name) @def.module
(local_function_statement name: (identifier) @name) @def.function

; references
(invocation_expression function: (identifier) @ref)
(invocation_expression function: (member_access_expression name: (identifier) @ref))
(generic_name (identifier) @ref)
(member_binding_expression name: (identifier) @ref)
(attribute name: (identifier) @ref)
(argument (identifier) @ref)
(typeof_expression type: (identifier) @ref)
(cast_expression type: (identifier) @ref)
(declaration_pattern type: (identifier) @ref)
(catch_declaration type: (identifier) @ref)
(nullable_type type: (identifier) @ref)
(array_type type: (identifier) @ref)
(property_declaration type: (identifier) @ref)
(object_creation_expression type: (identifier) @ref)
(base_list (identifier) @ref)
(parameter type: (identifier) @ref)
(variable_declaration type: (identifier) @ref)
(type_argument_list (identifier) @ref)
(member_access_expression expression: (identifier) @ref)
(method_declaration returns: (identifier) @ref)
