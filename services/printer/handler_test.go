package printer

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"testing"

	"ghostaux/pkg/testkit"
)

func request(t *testing.T, c *http.Client, method, url, credential string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", testkit.Authorization(credential))
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// list is what the list of documents says.
func list(t *testing.T, c *http.Client, url string) []entry {
	t.Helper()
	resp := request(t, c, "GET", url+"/documents", testkit.Token)
	defer resp.Body.Close()
	var page struct{ Documents []entry }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return page.Documents
}

func TestFrontDoor(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	srv, client := testkit.Serve(t, d.service.Endpoints()[0]), testkit.Client(t)
	a, b := testkit.PDF(100_000, 1), testkit.PDF(100_100, 2)
	d.write("Überweisung 50 %.pdf", a)
	d.write("b.pdf", b)
	p.Wait(t, limit, 2)
	var docs []entry
	testkit.Eventually(t, limit, "both are listed as sent", func() bool {
		docs = list(t, client, srv.URL)
		return len(docs) == 2 && docs[0].State == sent && docs[1].State == sent
	})
	if docs[0].Name != "b.pdf" || docs[0].ID <= docs[1].ID || docs[1].SHA256 != sum(a) || docs[0].Size != int64(len(b)) || docs[0].Sent == nil {
		t.Errorf("list %+v", docs)
	}
	url := fmt.Sprintf("%s/documents/%d", srv.URL, docs[1].ID)
	resp := request(t, client, "GET", url, testkit.Token)
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if sum(body) != sum(a) || resp.Header.Get("Content-Type") != "application/pdf" {
		t.Errorf("%s, %d bytes of %s", resp.Status, len(body), resp.Header.Get("Content-Type"))
	}
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	if err != nil || params["filename"] != "Überweisung 50 %.pdf" {
		t.Errorf("%q: %v %v", resp.Header.Get("Content-Disposition"), params, err)
	}
	resp = request(t, client, "POST", url+"/print", testkit.Token)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("print: %s", resp.Status)
	}
	if got := p.Wait(t, limit, 3); got[2].SHA256 != sum(blanked(a)) { // the browser has it already: it finds its table
		t.Error("another document was printed")
	}
}

func TestFrontDoorRefuses(t *testing.T) {
	d := newDesk(t)
	d.start()
	d.write("a.pdf", testkit.PDF(1000, 1))
	testkit.Eventually(t, limit, "it waits", func() bool { return d.service.queue.length() == 1 })
	id := d.service.history.entries()[0].ID
	srv, client := testkit.Serve(t, d.service.Endpoints()[0]), testkit.Client(t)
	document := fmt.Sprintf("/documents/%d", id)
	for _, c := range []struct {
		method, path, credential string
		want                     int
	}{
		{"GET", "/documents", "", 401},
		{"GET", document, "kasm_user:wrong", 401},
		{"POST", document + "/print", "", 401},
		{"GET", "/documents/1", testkit.Token, 404},
		{"GET", "/documents/x", testkit.Token, 404},
		{"POST", "/documents/1/print", testkit.Token, 404},
		{"GET", document + "/print", testkit.Token, 405},
		{"DELETE", document, testkit.Token, 405},
		{"HEAD", document, testkit.Token, 200},
		{"POST", document + "/print", testkit.Token, 202}, // it waits already, and stays once
	} {
		resp := request(t, client, c.method, srv.URL+c.path, c.credential)
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: %s, want %d", c.method, c.path, resp.Status, c.want)
		}
	}
	if n := d.service.queue.length(); n != 1 {
		t.Errorf("%d documents wait", n)
	}
}

// Of sent documents some bytes are kept; beyond that the files count, as long as they are what was sent.
func TestOldDocumentsAreTheFiles(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	d.service.history.change(&document{}, func(*document) { d.service.history.maxKept = 1 << 20 })
	srv, client := testkit.Serve(t, d.service.Endpoints()[0]), testkit.Client(t)
	big := testkit.PDF(600<<10, 1)
	for i := range 3 {
		d.write(fmt.Sprintf("%d.pdf", i), append([]byte("%PDF-"+fmt.Sprint(i)+"\n"), big...))
	}
	p.Wait(t, limit, 3)
	var docs []entry
	testkit.Eventually(t, limit, "all are sent", func() bool {
		docs = list(t, client, srv.URL)
		return docs[0].State == sent
	})
	get := func(i int) int {
		resp := request(t, client, "GET", fmt.Sprintf("%s/documents/%d", srv.URL, docs[i].ID), testkit.Token)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode == 200 && sum(body) != docs[i].SHA256 {
			t.Errorf("document %d: %v, %d bytes", i, err, len(body))
		}
		return resp.StatusCode
	}
	for i := range docs {
		if code := get(i); code != 200 {
			t.Errorf("document %d: %d", i, code)
		}
		d.do(os.Remove(d.path(docs[i].Name)))
	}
	if code := get(0); code != 200 { // its bytes are kept
		t.Errorf("the newest: %d", code)
	}
	if code := get(2); code != http.StatusGone {
		t.Errorf("the oldest: %d", code)
	}
	resp := request(t, client, "POST", fmt.Sprintf("%s/documents/%d/print", srv.URL, docs[2].ID), testkit.Token)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusGone {
		t.Errorf("print what is gone: %s", resp.Status)
	}
}
