package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// viewerPage does with packets what KasmVNC's client does: it collects the bytes of CHUNKs, hands them to the argument
// list of one call, never forgets any, and shows all it has at END as one PDF in a frame.
const viewerPage = `<!DOCTYPE html><style>html,body,iframe{margin:0;border:0;width:100%;height:100%}</style><script>
const bytes = [];
let shown = 0;
function packet(base64) {
  const data = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const view = new DataView(data.buffer);
  switch (view.getUint32(0)) {
  case 1:
    bytes.push(...data.subarray(8, 8 + view.getUint32(4)));
    break;
  case 2:
    const frame = document.createElement("iframe");
    frame.src = URL.createObjectURL(new Blob([Uint8Array.from(bytes)], {type: "application/pdf"}));
    document.body.replaceChildren(frame);
    shown++;
  }
  return shown;
}
</script><body>`

// colouredPDF is a whole PDF of one page in one colour: "1 0 0" is red. All of them have one size.
func colouredPDF(colour string) []byte {
	var b bytes.Buffer
	var offsets []int
	object := func(text string) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", len(offsets), text)
	}
	b.WriteString("%PDF-1.4\n")
	content := colour + " rg 0 0 600 800 re f"
	object("<< /Type /Catalog /Pages 2 0 R >>")
	object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << >> >>")
	object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content))
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, table)
	return b.Bytes()
}

// packets records what the relay brings, as it is.
type packets struct {
	mu  sync.Mutex
	got [][]byte
}

func (p *packets) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, bytes.Clone(b))
}

// take waits for the n-th document's END and returns what has come since the last call.
func (p *packets) take(t *testing.T) (got [][]byte) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, "END", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, b := range p.got {
			if len(b) == 4 {
				got, p.got = p.got[:i+1], p.got[i+1:]
				return true
			}
		}
		return false
	})
	return got
}

// viewer is a tab with viewerPage.
type viewer struct {
	*testing.T
	ctx   context.Context
	url   string
	shown int
}

func newViewer(t *testing.T) *viewer {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(viewerPage))
	}))
	t.Cleanup(page.Close)
	v := &viewer{T: t, url: page.URL}
	v.ctx = testkit.StartBrowser(t, 3*time.Minute, map[string]any{"window-size": "400,400"}) // quick to paint
	v.reload()
	return v
}

// reload begins the page's life anew.
func (v *viewer) reload() {
	v.Helper()
	if _, err := chromedp.Run(v.ctx, chromedp.Navigate(v.url)); err != nil {
		v.Fatal(err)
	}
}

// show gives the packets of one document to the page, which is empty before.
func (v *viewer) show(packets ...[]byte) {
	v.Helper()
	if _, err := chromedp.Run(v.ctx, chromedp.Evaluate[chromedp.Void]("document.body.replaceChildren()")); err != nil {
		v.Fatal(err)
	}
	v.expect("")
	for _, p := range packets {
		call, err := json.Marshal(base64.StdEncoding.EncodeToString(p))
		if err != nil {
			v.Fatal(err)
		}
		if v.shown, err = chromedp.Run(v.ctx, chromedp.Evaluate[int]("packet("+string(call)+")")); err != nil {
			v.Fatal(err)
		}
	}
}

// colour is the colour that most of the tab has: "red", "blue", or "".
func (v *viewer) colour() string {
	v.Helper()
	shot, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		v.Fatal(err)
	}
	var red, blue, all int
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 4 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 4 {
			r, g, b, _ := img.At(x, y).RGBA()
			all++
			switch {
			case r > 0xc000 && g < 0x4000 && b < 0x4000:
				red++
			case b > 0xc000 && g < 0x4000 && r < 0x4000:
				blue++
			}
		}
	}
	switch {
	case red > all/20:
		return "red"
	case blue > all/20:
		return "blue"
	}
	return ""
}

func (v *viewer) expect(colour string) {
	v.Helper()
	testkit.Eventually(v, time.Minute, fmt.Sprintf("the tab shows %q", colour), func() bool { return v.colour() == colour })
}

// What the browser makes of the packets is a document that its viewer opens, and of two documents of one size and layout it
// shows the second one second. The trap that the service works around is there: the same bytes as they are show the first again.
func TestPrinterInTheBrowser(t *testing.T) {
	red, blue := colouredPDF("1 0 0"), colouredPDF("0 0 1")
	d := newPrintDesk(t)
	p := &packets{}
	x := testkit.StartXvnc(t, "printer:"+d.path)
	if err := x.Subscribe(&testkit.Viewer{Channel: "printer", Receive: p.put}); err != nil {
		t.Fatal(err)
	}
	v := newViewer(t)
	d.write("red.pdf", red)
	first := p.take(t)
	v.show(first...)
	v.expect("red")
	d.write("blue.pdf", blue)
	v.show(p.take(t)...)
	v.expect("blue")
	if v.shown != 2 {
		t.Errorf("%d documents shown", v.shown)
	}

	v.reload()
	v.show(first...)
	v.expect("red")
	header := []byte{0, 0, 0, 1, 0, 0, byte(len(blue) >> 8), byte(len(blue))}
	v.show(append(header, blue...), []byte{0, 0, 0, 2})
	v.expect("red")
	if v.shown != 2 {
		t.Errorf("%d documents shown in the page's second life", v.shown)
	}
}
