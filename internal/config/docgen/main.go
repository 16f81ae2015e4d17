// Command docgen writes the configuration reference, or the JSON Schema, from the comments
// of the configuration's structs, which are its manual.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// schemas are the files that the configuration's structs are in.
func schemas() ([]string, error) {
	// In this order schema.go, which has the outermost struct, comes first.
	found, err := filepath.Glob("internal/config/schema*.go")
	if err == nil && len(found) == 0 {
		err = errors.New("no schema files in internal/config; run it at the top of the repository")
	}
	return found, err
}

func main() {
	output := flag.String("o", "", "files to write, by comma")
	check := flag.String("check", "", "files to compare with, by comma; fails when one differs")
	schema := flag.Bool("schema", false, "the JSON Schema instead of the reference")
	flag.Parse()
	render := reference
	if *schema {
		render = jsonSchema
	}
	if err := run(render, *output, *check); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func run(render func([]ast.Decl) ([]byte, error), output, check string) error {
	files, err := schemas()
	if err != nil {
		return err
	}
	decls, err := declarations(files)
	if err != nil {
		return err
	}
	text, err := render(decls)
	if err != nil {
		return err
	}
	switch {
	case output != "":
		for file := range strings.SplitSeq(output, ",") {
			if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // documentation is for everybody
				return fmt.Errorf("write the reference: %w", err)
			}
		}
		return nil
	case check != "":
		for file := range strings.SplitSeq(check, ",") {
			have, err := os.ReadFile(file) //nolint:gosec // the caller names the file
			if err != nil {
				return fmt.Errorf("read the reference: %w", err)
			}
			if !bytes.Equal(have, text) {
				return errors.New(file + " is out of date; run make generate")
			}
		}
		return nil
	default:
		_, err := os.Stdout.Write(text)
		return err
	}
}

// declarations are those of all files, in their order.
func declarations(paths []string) ([]ast.Decl, error) {
	var decls []ast.Decl
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("parse the schema: %w", err)
		}
		decls = append(decls, file.Decls...)
	}
	return decls, nil
}

// reference renders every struct of the schema as a table, the file's struct
// first.
func reference(decls []ast.Decl) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Configuration reference\n\n" +
		"Generated from the source by `make generate`. The file is one YAML document; unknown keys,\n" +
		"wrong types and a second document are refused with file and line. Secrets are named by file;\n" +
		"a relative file name is relative to the configuration file.\n\n" +
		"A complete example is [examples/single-team/gatekeeper.yaml](../examples/single-team/gatekeeper.yaml).\n\n" +
		"Editors complete and check the file by its JSON Schema, [configuration.schema.json](configuration.schema.json),\n" +
		"which `gatekeeper config schema` prints as well. Those with yaml-language-server find it by the first line:\n\n" +
		"```yaml\n# yaml-language-server: $schema=" + schemaID + "\n```\n\n" +
		"A running Gatekeeper takes most changes over by itself: [Changing the configuration](reload.md) says which.\n")
	for _, decl := range decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			t := spec.(*ast.TypeSpec)
			s, ok := t.Type.(*ast.StructType)
			if !ok {
				continue
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | type | meaning |\n| --- | --- | --- |\n", t.Name.Name, sentence(gen.Doc))
			var doc string
			for _, f := range s.Fields.List {
				if f.Doc != nil {
					doc = sentence(f.Doc)
				}
				key := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml")
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", key, typeName(f.Type), doc)
			}
		}
	}
	return b.Bytes(), nil
}

func sentence(c *ast.CommentGroup) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(c.Text()), " "), "|", "\\|")
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ArrayType:
		return "list of " + typeName(e.Elt)
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return "duration"
	case *ast.Ident:
		switch e.Name {
		case "float64":
			return "number"
		case "string":
			return "text"
		case "int", "int64":
			return "number"
		case "bool":
			return "true/false"
		default:
			return "[" + e.Name + "](#" + strings.ToLower(e.Name) + ")"
		}
	default:
		return ""
	}
}
