(struct_item name: (type_identifier) @name) @def.struct
(enum_item name: (type_identifier) @name) @def.enum
(union_item name: (type_identifier) @name) @def.struct
(trait_item name: (type_identifier) @name) @def.trait
(type_item name: (type_identifier) @name) @def.type
(mod_item name: (identifier) @name) @def.module
(macro_definition name: (identifier) @name) @def.macro
(const_item name: (identifier) @name) @def.constant
(static_item name: (identifier) @name) @def.constant
(impl_item type: [(type_identifier) @name (generic_type type: (type_identifier) @name)] body: (_)) @def.impl
(declaration_list (function_item name: (identifier) @name) @def.method)
(declaration_list (function_signature_item name: (identifier) @name) @def.method)
(function_item name: (identifier) @name) @def.function

; references
(call_expression function: (identifier) @ref)
(call_expression function: (field_expression field: (field_identifier) @ref))
(call_expression function: (scoped_identifier name: (identifier) @ref))
(generic_function function: (identifier) @ref)
(macro_invocation macro: (identifier) @ref)
(type_identifier) @ref
(use_declaration argument: (scoped_identifier name: (identifier) @ref))
(use_list (identifier) @ref)
(scoped_identifier path: (identifier) @ref)
