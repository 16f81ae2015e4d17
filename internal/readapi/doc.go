// Package readapi serves what is known and recorded, for people's programs: gates,
// Applications with the decisions on them, and the record. It changes nothing.
//
//	request ─► who is it ─► how often ─► handler ─► JSON ─► ETag
//	            401/403       429          4xx        200    304
//
// Everything below /api/v1 needs a bearer token, except the description of the API
// itself, which holds nothing of the installation. Errors are problem details (RFC
// 9457). Lists come in pages: the answer's "next", when there is one, is the query's
// "page" for what follows.
//
// openapi.yaml describes every route; the tests hold each answer against it.
package readapi
