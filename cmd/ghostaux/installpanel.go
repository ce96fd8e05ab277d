package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"net/url"
	"os"
	"path/filepath"

	"ghostaux/web"
)

// The panel in a page: a file of ours beside it, and one tag between two marks, by which it is found again.
const (
	panelFile  = "ghostaux-panel.js"
	panelBegin = "<!-- ghostaux panel -->"
	panelEnd   = "<!-- /ghostaux panel -->"
	panelPage  = "index.html"
)

type installPanelCommand struct {
	Dir    string `arg:"" help:"Directory of the web client, with its index.html, such as /usr/share/kasmvnc/www." type:"existingdir"`
	URL    string `help:"Address of the front door as browsers see it, such as https://desk.example/aux/. Default: the host of the page, at --port." placeholder:"URL"`
	Port   int    `help:"Port of the front door." default:"4900"`
	Remove bool   `help:"Take the panel out again."`
}

// Validate names what cannot be an address.
func (c installPanelCommand) Validate() error {
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("--url %q: want https://host/path", c.URL)
	}
	if c.Port < 1 || c.Port > 65535 {
		return fmt.Errorf("--port %d: want 1 to 65535", c.Port)
	}
	return nil
}

// Run puts the panel into the page, or takes it out. Doing it again changes nothing more.
func (c installPanelCommand) Run(out *output) error {
	page := filepath.Join(c.Dir, panelPage)
	before, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	after, err := withoutPanel(before)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	script := filepath.Join(c.Dir, panelFile)
	if c.Remove {
		if err := os.Remove(script); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return report(out, page, before, after)
	}
	content, err := web.Panel()
	if err != nil {
		return errors.New("this ghostaux was built without its console: build it on a machine that has npm")
	}
	if err := replaceFile(script, content); err != nil {
		return err
	}
	if after, err = withPanel(after, c.tag()); err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return report(out, page, before, after)
}

func (c installPanelCommand) tag() string {
	where := fmt.Sprintf(`data-port="%d"`, c.Port)
	if c.URL != "" {
		where = fmt.Sprintf(`data-url="%s"`, html.EscapeString(c.URL))
	}
	return fmt.Sprintf(`%s<script src="%s" %s defer></script>%s`, panelBegin, panelFile, where, panelEnd)
}

// withPanel puts the tag before the end of the head, and so before the page's own scripts have run.
func withPanel(page []byte, tag string) ([]byte, error) {
	for _, end := range []string{"</head>", "</body>"} {
		if i := bytes.LastIndex(bytes.ToLower(page), []byte(end)); i >= 0 {
			return bytes.Join([][]byte{page[:i], []byte(tag), page[i:]}, nil), nil
		}
	}
	return nil, errors.New("it has neither </head> nor </body>, so it is not a page that a panel fits into")
}

// withoutPanel takes out what withPanel has put in.
func withoutPanel(page []byte) ([]byte, error) {
	begin := bytes.Index(page, []byte(panelBegin))
	if begin < 0 {
		return page, nil
	}
	length := bytes.Index(page[begin:], []byte(panelEnd))
	if length < 0 {
		return nil, errors.New("the mark at the end of the panel's tag is gone: take the tag out by hand")
	}
	return append(bytes.Clone(page[:begin]), page[begin+length+len(panelEnd):]...), nil
}

// report writes the page when it is another, and says what was done.
func report(out *output, page string, before, after []byte) error {
	if bytes.Equal(before, after) {
		_, err := fmt.Fprintf(out.stdout, "%s is as it should be\n", page)
		return err
	}
	if err := replaceFile(page, after); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out.stdout, "%s changed\n", page)
	return err
}

// replaceFile gives a file new content in one step, with the mode that it had.
func replaceFile(path string, content []byte) error {
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".ghostaux-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(next.Name())
	_, err = next.Write(content)
	err = errors.Join(err, next.Chmod(mode), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
