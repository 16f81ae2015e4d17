package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// APIError is a refusal, in the form of GitHub's error bodies. Control calls return it as well, so
// that a test can tell "GitHub would refuse this" from a failure of the stand-in.
type APIError struct {
	Status  int
	Message string
	Errors  []FieldError

	header  http.Header
	movedTo string // set for redirects, whose body is another one
}

// FieldError is one entry of "errors" in a 422 answer; one with a Message alone is written as a string.
type FieldError struct {
	Resource string `json:"resource"`
	Field    string `json:"field,omitempty"`
	Code     string `json:"code"`
	Message  string `json:"message,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (f FieldError) MarshalJSON() ([]byte, error) {
	if f.Resource == "" {
		return json.Marshal(f.Message)
	}
	type plain FieldError
	return json.Marshal(plain(f))
}

func (e *APIError) Error() string {
	text := []string{fmt.Sprint(e.Status), e.Message}
	for _, f := range e.Errors {
		text = append(text, strings.Fields(f.Resource+" "+f.Field+" "+f.Code+" "+f.Message)...)
	}
	return strings.Join(text, " ")
}

type errorBody struct {
	Message string       `json:"message"`
	URL     string       `json:"url,omitempty"`
	Errors  []FieldError `json:"errors,omitempty"`
	Docs    string       `json:"documentation_url"`
	Status  string       `json:"status,omitempty"`
}

const docsURL = "https://docs.github.com/rest"

func (e *APIError) body() errorBody {
	if e.movedTo != "" { // the recorded redirects (testdata/octokit) have an address and no status
		return errorBody{Message: e.Message, URL: e.movedTo, Docs: docsURL}
	}
	return errorBody{Message: e.Message, Errors: e.Errors, Docs: docsURL, Status: fmt.Sprint(e.Status)}
}

func refuse(status int, format string, args ...any) *APIError {
	return &APIError{Status: status, Message: fmt.Sprintf(format, args...)}
}

func notFound() *APIError { return refuse(http.StatusNotFound, "Not Found") }

func forbidden() *APIError {
	return refuse(http.StatusForbidden, "Resource not accessible by integration")
}

// invalid is a 422 about one field; code is one of missing, missing_field, invalid, already_exists.
func invalid(resource, field, code string) *APIError {
	return &APIError{Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
		Errors: []FieldError{{Resource: resource, Field: field, Code: code}}}
}

// invalidBecause is a 422 with a text of its own.
func invalidBecause(resource, format string, args ...any) *APIError {
	return &APIError{Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
		Errors: []FieldError{{Resource: resource, Code: "custom", Message: fmt.Sprintf(format, args...)}}}
}

// unprocessable is the plainer 422 of reviews.
func unprocessable(format string, args ...any) *APIError {
	return &APIError{Status: http.StatusUnprocessableEntity, Message: "Unprocessable Entity", Errors: []FieldError{{Message: fmt.Sprintf(format, args...)}}}
}
