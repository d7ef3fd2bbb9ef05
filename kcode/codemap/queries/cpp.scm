(class_specifier name: (type_identifier) @name body: (_)) @def.class
(namespace_definition name: (namespace_identifier) @name) @def.module
(function_definition declarator: (function_declarator declarator: (field_identifier) @name)) @def.method
(function_definition declarator: (function_declarator declarator: (qualified_identifier scope: [(namespace_identifier) @outer (template_type name: (type_identifier) @outer)] name: [(identifier) (destructor_name) (operator_name)] @name))) @def.method
(function_definition declarator: (function_declarator declarator: (qualified_identifier name: (qualified_identifier scope: [(namespace_identifier) @outer (template_type name: (type_identifier) @outer)] name: [(identifier) (destructor_name) (operator_name)] @name)))) @def.method
(function_definition declarator: (_ (function_declarator declarator: (qualified_identifier scope: [(namespace_identifier) @outer (template_type name: (type_identifier) @outer)] name: [(identifier) (operator_name)] @name)))) @def.method
(function_definition declarator: (function_declarator declarator: [(destructor_name) (operator_name)] @name)) @def.method
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (field_identifier) @name))) @def.method
(function_definition declarator: (reference_declarator (function_declarator declarator: [(identifier) (field_identifier)] @name))) @def.function
(field_declaration declarator: (function_declarator declarator: (field_identifier) @name)) @def.method
(alias_declaration name: (type_identifier) @name) @def.type
(concept_definition name: (identifier) @name) @def.type

; references
(call_expression function: (qualified_identifier name: (identifier) @ref))
(template_function name: (identifier) @ref)
(qualified_identifier scope: (namespace_identifier) @ref)
