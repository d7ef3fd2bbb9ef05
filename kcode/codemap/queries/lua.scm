(function_declaration name: (identifier) @name) @def.function
(function_declaration name: (dot_index_expression field: (identifier) @name)) @def.function
(function_declaration name: (method_index_expression method: (identifier) @name)) @def.method
(assignment_statement (variable_list name: (identifier) @name) (expression_list value: (function_definition))) @def.function
(assignment_statement (variable_list name: (dot_index_expression field: (identifier) @name)) (expression_list value: (function_definition))) @def.function
(field name: (identifier) @name value: (function_definition)) @def.method

; references
(function_call name: (identifier) @ref)
(function_call name: (dot_index_expression field: (identifier) @ref))
(function_call name: (method_index_expression method: (identifier) @ref))
(dot_index_expression table: (identifier) @ref)
