package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// Media types of what a tag or digest of an image may name.
const (
	typeOCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	typeOCIIndex       = "application/vnd.oci.image.index.v1+json"
	typeDockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeDockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

var (
	imageTypes    = []string{typeOCIIndex, typeOCIManifest, typeDockerIndex, typeDockerManifest}
	manifestTypes = []string{typeOCIManifest, typeDockerManifest}
	indexTypes    = []string{typeOCIIndex}
)

func isIndex(mediaType string) bool { return mediaType == typeOCIIndex || mediaType == typeDockerIndex }

// manifest is a document of the manifests API, checked to be what it says.
type manifest struct {
	mediaType string
	digest    Digest
	body      []byte
	content   content
}

// content is what is read of a manifest or an index.
type content struct {
	ArtifactType string            `json:"artifactType"`
	Layers       []descriptor      `json:"layers"`
	Manifests    []descriptor      `json:"manifests"`
	Subject      *descriptor       `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// descriptor points to content.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType"`
	Annotations  map[string]string `json:"annotations"`
}

// manifest reads a manifest by tag or digest. Its bytes are hashed: with a digest
// they must have it; with a tag they must have the one that the registry claims, if
// it claims one.
func (c *Client) manifest(ctx context.Context, l *listing, repo repository, name string, types []string) (manifest, error) {
	a, err := c.ask(ctx, l, repo, question{
		method: http.MethodGet, path: "manifests/" + name, accept: strings.Join(types, ", "), limit: manifestLimit,
	})
	if err != nil {
		return manifest{}, err
	}
	what, claimed := repo.String()+":"+name, a.header.Get("Docker-Content-Digest")
	if strings.HasPrefix(name, "sha256:") {
		what, claimed = repo.String()+"@"+name, name
	}
	digest := digestOf(a.body)
	if claimed != "" && claimed != string(digest) {
		return manifest{}, &Error{Reason: ReasonMalformed, Text: fmt.Sprintf(
			"registry %s answered for %s with other bytes than their digest says; this is tried again", l.Host, what)}
	}
	m, err := parseManifest(a.header.Get("Content-Type"), a.body, types)
	if err != nil {
		return manifest{}, &Error{Reason: ReasonMediaType, Text: what + " is not an image that can be deployed or a signature of one", Err: err}
	}
	m.digest = digest
	return m, nil
}

// parseManifest checks that a document is of one of the types, and of one only: a
// document with the fields of both an index and a manifest is read differently by
// different programs (CVE-2021-41190).
func parseManifest(contentType string, body []byte, types []string) (manifest, error) {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil || !slices.Contains(types, mediaType) {
		return manifest{}, fmt.Errorf("its media type is %s", quote(contentType))
	}
	o, err := parseObject(body)
	if err != nil {
		return manifest{}, err
	}
	inside, err := o.text("mediaType")
	if err != nil {
		return manifest{}, err
	}
	if inside != mediaType && (inside != "" || strings.HasPrefix(mediaType, "application/vnd.docker.")) {
		return manifest{}, fmt.Errorf("its media type is %s, but it says %s itself", mediaType, quote(inside))
	}
	_, list := o["manifests"]
	_, layers := o["layers"]
	_, config := o["config"]
	if isIndex(mediaType) && (layers || config || !list) || !isIndex(mediaType) && (list || !layers || !config) {
		return manifest{}, fmt.Errorf("its fields are not those of its media type %s", mediaType)
	}
	m := manifest{mediaType: mediaType, body: body}
	if err := json.Unmarshal(body, &m.content); err != nil {
		return manifest{}, fmt.Errorf("its fields are not those of its media type %s: %w", mediaType, err)
	}
	return m, nil
}

// piece is a kind of blob.
type piece struct {
	what  string // for people
	limit int64
	bad   Reason // when the manifest does not say properly where it is
}

var (
	payloadPiece = piece{what: "a signature", limit: payloadLimit, bad: ReasonSignatureInvalid}
	bundlePiece  = piece{what: "a signature", limit: bundleLimit, bad: ReasonSignatureInvalid}
	configPiece  = piece{what: "the configuration of an image", limit: configLimit, bad: ReasonMediaType}
)

// blob reads content that a manifest points to.
func (c *Client) blob(ctx context.Context, l *listing, repo repository, d descriptor, p piece) ([]byte, error) {
	digest, err := ParseDigest(d.Digest)
	if err != nil {
		return nil, &Error{Reason: p.bad, Text: p.what + " in " + repo.String() + " is stored in a way that is not known", Err: err}
	}
	if d.Size > p.limit || d.Size < 0 {
		return nil, tooLarge(l, p.limit)
	}
	a, err := c.ask(ctx, l, repo, question{method: http.MethodGet, path: "blobs/" + string(digest), limit: p.limit, content: true})
	if err != nil {
		return nil, err
	}
	if digestOf(a.body) != digest {
		return nil, &Error{Reason: ReasonMalformed, Text: fmt.Sprintf(
			"registry %s answered for %s of %s with other bytes than their digest says; this is tried again", l.Host, p.what, repo)}
	}
	return a.body, nil
}

func digestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return Digest("sha256:" + hex.EncodeToString(sum[:]))
}
