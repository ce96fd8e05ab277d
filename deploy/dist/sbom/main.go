// Command sbom adds to a CycloneDX SBOM of the binary the npm packages whose code is in the console that the binary holds. They are those that
// the lock file has beside the ones for development: jsmpeg-player, and what its own bundle was made of.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	lock := flag.String("lock", "web/package-lock.json", "`path` of the lock file")
	flag.Parse()
	if err := amend(flag.Arg(0), *lock); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// amend writes the SBOM anew, with the packages of the lock file in it.
func amend(bom, lock string) error {
	var l lockFile
	if err := read(lock, &l); err != nil {
		return err
	}
	list, err := l.bundled()
	if err != nil {
		return fmt.Errorf("%s: %w", lock, err)
	}
	var b map[string]any // whatever else is in it stays
	if err := read(bom, &b); err != nil {
		return err
	}
	if err := add(b, list); err != nil {
		return fmt.Errorf("%s: %w", bom, err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return err
	}
	return os.WriteFile(bom, out.Bytes(), 0o644)
}

func read(path string, into any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// lockFile is npm's package-lock.json, versions 2 and 3.
type lockFile struct {
	Packages map[string]struct { // by path below the project's directory
		Version, License, Integrity string
		Dev                         bool
		Dependencies                map[string]string
	}
}

// npmPackage is a package that is in the bundle.
type npmPackage struct {
	name, version, licence string
	sha512                 string // of its archive, in hexadecimal
	needs                  []string
	direct                 bool // the console itself asks for it
}

// purl is the package's name by https://github.com/package-url, in which the @ of a scope is escaped.
func (p npmPackage) purl() string {
	return "pkg:npm/" + strings.Replace(p.name, "@", "%40", 1) + "@" + p.version
}

// bundled are the packages that are not for development, by name.
func (l lockFile) bundled() ([]npmPackage, error) {
	const modules = "node_modules/"
	var list []npmPackage
	for _, path := range slices.Sorted(maps.Keys(l.Packages)) {
		entry := l.Packages[path]
		if path == "" || entry.Dev {
			continue
		}
		name := path[strings.LastIndex(path, modules)+len(modules):]
		kind, digest, _ := strings.Cut(entry.Integrity, "-")
		sum, err := base64.StdEncoding.DecodeString(digest)
		if kind != "sha512" || err != nil || len(sum) == 0 || entry.Version == "" || entry.License == "" {
			return nil, fmt.Errorf("%s lacks its version, licence or SHA-512", name)
		}
		_, direct := l.Packages[""].Dependencies[name]
		list = append(list, npmPackage{
			name: name, version: entry.Version, licence: entry.License, sha512: hex.EncodeToString(sum),
			needs: slices.Sorted(maps.Keys(entry.Dependencies)), direct: direct,
		})
	}
	if len(list) == 0 {
		return nil, errors.New("no package is in it")
	}
	return list, nil
}

// add puts the packages among the components, and says what needs them.
func add(bom map[string]any, list []npmPackage) error {
	components, _ := bom["components"].([]any)
	dependencies, _ := bom["dependencies"].([]any)
	metadata, _ := bom["metadata"].(map[string]any)
	program, _ := metadata["component"].(map[string]any)
	ref, _ := program["bom-ref"].(string)
	purls := map[string]string{}
	for _, p := range list {
		purls[p.name] = p.purl()
	}
	var direct []any
	for _, p := range list {
		components = append(components, component(p))
		needs := []string{}
		for _, name := range p.needs {
			if purl, ok := purls[name]; ok {
				needs = append(needs, purl)
			}
		}
		dependencies = append(dependencies, map[string]any{"ref": p.purl(), "dependsOn": needs})
		if p.direct {
			direct = append(direct, p.purl())
		}
	}
	for _, d := range dependencies {
		if d, ok := d.(map[string]any); ok && d["ref"] == ref && ref != "" {
			before, _ := d["dependsOn"].([]any)
			d["dependsOn"] = append(before, direct...)
			bom["components"], bom["dependencies"] = components, dependencies
			return nil
		}
	}
	return errors.New("it does not say what the program itself depends on")
}

func component(p npmPackage) map[string]any {
	c := map[string]any{
		"bom-ref": p.purl(), "type": "library", "name": p.name, "version": p.version, "scope": "required", "purl": p.purl(),
		"hashes":   []any{map[string]any{"alg": "SHA-512", "content": p.sha512}},
		"licenses": []any{map[string]any{"expression": p.licence}},
	}
	if scope, name, ok := strings.Cut(p.name, "/"); ok {
		c["group"], c["name"] = scope, name
	}
	return c
}
