package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// labelPrefix begins the annotation keys that the OCI image specification 1.1 defines
// ("Annotations", "Pre-Defined Annotation Keys"). Programs that build images write the
// same keys as labels into the configuration.
const labelPrefix = "org.opencontainers.image."

// Bounds of what is taken from one image. The specification defines 14 keys.
const (
	labelCount      = 64
	labelKeyLimit   = 128
	labelValueLimit = 2048
	// configLimit bounds a configuration, which has some kilobytes.
	configLimit = 1 << 20
)

// configTypes are those of the configuration of a container image. Other artifacts,
// like charts, have other ones.
var configTypes = []string{"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}

// Labels asks the registry what the image that a reference names says of itself: the
// labels of its configuration whose key begins with "org.opencontainers.image.". Where
// there is no label of a key, the annotation of the manifest counts, then that of the
// index. Of an index the image for linux/amd64 is read, else the first one.
//
// Whoever builds the image chooses these texts, and nothing vouches for them: they are
// for people to read, and for nothing to be decided by. There are at most 64, with keys
// of up to 128 and values of up to 2,048 bytes; longer ones are left out, since a part
// of a text can mean something else. Values may have any characters of UTF-8.
//
// A tag is asked for each time, and nothing is remembered. Every error is an *Error.
func (c *Client) Labels(ctx context.Context, ref string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	labels, err := c.labels(ctx, ref)
	if err != nil {
		return nil, asError(err)
	}
	return labels, nil
}

func (c *Client) labels(ctx context.Context, s string) (map[string]string, error) {
	ref, l, err := c.locate(s)
	if err != nil {
		return nil, err
	}
	m, err := c.manifest(ctx, l, ref.repository, ref.name(), imageTypes)
	if err != nil {
		return nil, err
	}
	said := []map[string]string{m.content.Annotations} // what counts most comes last
	if isIndex(m.mediaType) {
		d, err := platformOf(m.body)
		if err != nil {
			return nil, notAnImage(s, err)
		}
		if m, err = c.manifest(ctx, l, ref.repository, string(d), manifestTypes); err != nil {
			return nil, err
		}
		said = append(said, m.content.Annotations)
	}
	d, err := configOf(m.body)
	if err != nil {
		return nil, notAnImage(s, err)
	}
	body, err := c.blob(ctx, l, ref.repository, d, configPiece)
	if err != nil {
		return nil, err
	}
	labels, err := parseLabels(body)
	if err != nil {
		return nil, notAnImage(s, err)
	}
	out := map[string]string{}
	for _, texts := range append(said, labels) {
		for k, v := range texts {
			if strings.HasPrefix(k, labelPrefix) && len(k) <= labelKeyLimit {
				out[k] = v
			}
		}
	}
	if len(out) > labelCount {
		return nil, &Error{Reason: ReasonTooLarge, Text: fmt.Sprintf("%s has more than %d labels %s…; none was taken", s, labelCount, labelPrefix)}
	}
	maps.DeleteFunc(out, func(_, v string) bool { return len(v) > labelValueLimit })
	return out, nil
}

func notAnImage(s string, err error) *Error {
	return &Error{Reason: ReasonMediaType, Text: s + " is not a container image that can be read", Err: err}
}

// platformOf chooses one image of an index. Entries that are no image of a platform,
// like the attestations that BuildKit puts there for "unknown/unknown", do not count.
func platformOf(index []byte) (Digest, error) {
	var content struct {
		Manifests []struct {
			descriptor
			Platform struct {
				OS           string `json:"os"`
				Architecture string `json:"architecture"`
			} `json:"platform"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(index, &content); err != nil {
		return "", fmt.Errorf("its list of images cannot be read: %w", err)
	}
	first := ""
	for _, m := range content.Manifests {
		if !slices.Contains(manifestTypes, m.MediaType) || m.Platform.OS == "unknown" {
			continue
		}
		if m.Platform.OS == "linux" && m.Platform.Architecture == "amd64" {
			return ParseDigest(m.Digest)
		}
		if first == "" {
			first = m.Digest
		}
	}
	if first == "" {
		return "", errors.New("it lists no image of a platform")
	}
	return ParseDigest(first)
}

// configOf finds the configuration of an image.
func configOf(manifest []byte) (descriptor, error) {
	var content struct {
		Config descriptor `json:"config"`
	}
	if err := json.Unmarshal(manifest, &content); err != nil {
		return descriptor{}, fmt.Errorf("its configuration cannot be found: %w", err)
	}
	if !slices.Contains(configTypes, content.Config.MediaType) {
		return descriptor{}, fmt.Errorf("its configuration is of the media type %s", quote(content.Config.MediaType))
	}
	return content.Config, nil
}

// parseLabels reads the labels of a configuration, config.Labels in the image
// specification. There are none where it or what it is in is absent or null.
func parseLabels(config []byte) (map[string]string, error) {
	o, err := parseObject(config)
	if err != nil {
		return nil, fmt.Errorf("its configuration cannot be read: %w", err)
	}
	for _, key := range []string{"config", "Labels"} {
		if raw := o[key]; raw == nil || string(raw) == "null" {
			return map[string]string{}, nil
		}
		if o, err = o.object(key); err != nil {
			return nil, fmt.Errorf("its configuration cannot be read: %w", err)
		}
	}
	labels := map[string]string{}
	for key := range o {
		if !strings.HasPrefix(key, labelPrefix) {
			continue
		}
		if labels[key], err = o.text(key); err != nil {
			return nil, fmt.Errorf("its labels cannot be read: %w", err)
		}
	}
	return labels, nil
}
