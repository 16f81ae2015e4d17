// Package appset computes, from the manifest of an ApplicationSet alone, which
// Applications Argo CD's controller generates of it.
//
//	manifest ──► generators ──► parameters ──► template ──► templatePatch ──► Applications
//	               list,          one map       each text     rendered, and
//	            matrix, merge    for each one   on its own    merged
//
// It works on raw JSON, so that no field is lost which this version does not know, and
// follows Argo CD 2.14.21 and 3.2.11 (applicationset/generators, applicationset/utils and
// applicationset/controllers/template, which agree in everything that is followed here).
//
// What cannot be known from the manifest alone is an error that says why: a generator
// that asks a cluster, a repository or a service, a template function whose result
// changes, a field that is not known. So is everything on which Argo CD's controller
// stops with an error: it generates nothing then. An expansion is all or nothing.
//
// Templates are programs. They may call only functions that are known to be quick and to
// give the same result every time, and what they produce is bounded, each text and all
// together. Nothing here makes a call or reads a file.
package appset
