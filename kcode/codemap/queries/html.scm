(element (start_tag (attribute (attribute_name) @_key (quoted_attribute_value (attribute_value) @name)) (#eq? @_key "id"))) @def.id

; references
(attribute (attribute_name) @_key (quoted_attribute_value (attribute_value) @ref) (#any-of? @_key "class" "for" "href"))
