package config

import _ "embed"

// schema is generated beside the one in docs, see docgen.
//
//go:embed configuration.schema.json
var schema []byte

// JSONSchema is the JSON Schema (draft 2020-12) of the configuration file, for editors: its
// keys, kinds, words and durations. A file that it accepts may still be refused by Load.
func JSONSchema() []byte { return append([]byte(nil), schema...) }
