package spec

import "encoding/json"

// JSONSchema returns the JSON Schema (draft 2020-12) of a service file, for editors. It is made from the tables that the
// parser reads, and a little stricter: it wants booleans written as true and false, and names in the letter case of the
// documentation.
func JSONSchema() []byte {
	schema := fileSection.shape().
		with("$schema", "https://json-schema.org/draft/2020-12/schema").
		with("title", "Extension service").
		with("description", "A service file of extactor and Talos: one container that is started when what it depends on is "+
			"there, and kept running.")
	content, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(err) // the tables hold nothing but texts, numbers, lists and mappings
	}
	return append(content, '\n')
}
