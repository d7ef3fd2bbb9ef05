(class_declaration name: (identifier) @name) @def.class
(record_declaration name: (identifier) @name) @def.class
(interface_declaration name: (identifier) @name) @def.interface
(annotation_type_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(method_declaration name: (identifier) @name) @def.method
(constructor_declaration name: (identifier) @name) @def.method
(field_declaration (modifiers "static") declarator: (variable_declarator name: (identifier) @name)) @def.constant

; references
(method_invocation name: (identifier) @ref)
(method_invocation object: (identifier) @ref)
(type_identifier) @ref
(method_reference (identifier) @ref)
(marker_annotation name: (identifier) @ref)
(annotation name: (identifier) @ref)
(field_access object: (identifier) @ref)
