(module (expression_statement (assignment left: (identifier) @name) @def.constant))
(class_definition name: (identifier) @name) @def.class
(class_definition body: (block (function_definition name: (identifier) @name) @def.method))
(class_definition body: (block (decorated_definition definition: (function_definition name: (identifier) @name) @def.method)))
(function_definition name: (identifier) @name) @def.function
(type_alias_statement left: (type (identifier) @name)) @def.type

; references
(call function: (identifier) @ref)
(call function: (attribute attribute: (identifier) @ref))
(class_definition superclasses: (argument_list [(identifier) @ref (attribute attribute: (identifier) @ref)]))
(decorator [(identifier) @ref (attribute attribute: (identifier) @ref)])
(import_from_statement name: (dotted_name (identifier) @ref))
(import_from_statement name: (aliased_import name: (dotted_name (identifier) @ref)))
(type [(identifier) @ref (generic_type (identifier) @ref) (attribute attribute: (identifier) @ref) (binary_operator (identifier) @ref)])
(attribute object: (identifier) @ref)
(argument_list (identifier) @ref)
(keyword_argument value: (identifier) @ref)
(except_clause (identifier) @ref)
