package quant

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// unmarshalJSON is json.Unmarshal with errors in the words of JSON, for people who
// know the file and not the types of this package.
func unmarshalJSON(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON: byte %d: %w", syntax.Offset, err)
	case errors.As(err, &mismatch):
		what := "it"
		if mismatch.Field != "" {
			what = fmt.Sprintf("%q", mismatch.Field)
		}
		return fmt.Errorf("%s is JSON of the wrong type: %s; want %s", what, mismatch.Value, jsonKind(mismatch.Type))
	}
	return err
}

// jsonKind is what JSON calls the values that a Go type holds.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return jsonKind(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Int:
		return "a whole number"
	}
	return "a number"
}
