package upload

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// tusSpec reads what a client says of a new upload.
func tusSpec(h http.Header, id string) (spec, error) {
	total, err := strconv.ParseInt(h.Get("Upload-Length"), 10, 64)
	if err != nil || total < 0 || total > totalMax {
		return spec{}, errTusLength // which a deferred length is too
	}
	meta, err := parseMetadata(h.Get("Upload-Metadata"))
	if err != nil {
		return spec{}, err
	}
	sp := spec{key: tusKey + id, total: total, need: total, meta: meta}
	switch {
	case meta[fieldRelative] != "":
		sp.place, err = cleanPlace(meta[fieldRelative])
	case meta["filename"] != "":
		sp.place.name, err = cleanName(meta["filename"])
	case meta["name"] != "": // what Uppy says
		sp.place.name, err = cleanName(meta["name"])
	default:
		sp.place.name = id
	}
	return sp, err
}

// parseMetadata reads Upload-Metadata: pairs "key base64", apart by commas; a key may stand alone.
func parseMetadata(value string) (map[string]string, error) {
	meta := make(map[string]string)
	for pair := range strings.SplitSeq(value, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, encoded, _ := strings.Cut(pair, " ")
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(meta) >= tusMetaMax {
			return nil, errTusMeta
		}
		meta[key] = string(text)
	}
	return meta, nil
}

func encodeMetadata(meta map[string]string) string {
	var pairs []string
	for key, text := range meta {
		pairs = append(pairs, strings.TrimSuffix(key+" "+base64.StdEncoding.EncodeToString([]byte(text)), " "))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
