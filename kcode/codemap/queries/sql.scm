(create_table (object_reference name: (identifier) @name)) @def.table
(create_view (object_reference name: (identifier) @name)) @def.view
(create_materialized_view (object_reference name: (identifier) @name)) @def.view
(create_function (object_reference name: (identifier) @name)) @def.function
(create_index (identifier) @name) @def.index
(create_type (object_reference name: (identifier) @name)) @def.type
(create_trigger (object_reference name: (identifier) @name)) @def.trigger

; references
(relation (object_reference name: (identifier) @ref))
(invocation (object_reference name: (identifier) @ref))
(insert (object_reference name: (identifier) @ref))
