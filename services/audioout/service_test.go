package audioout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

func testConfig() Config {
	return Config{
		Addr: ":0", IngestAddr: "127.0.0.1:0", Secret: "kasmaudio", Source: sourceIngest, SourceIdle: 10 * time.Second,
		MaxLag: 500 * time.Millisecond, FFmpeg: "ffmpeg", Channels: 1, Bitrate: "128k",
	}
}

// rig is a service whose endpoints are served.
type rig struct {
	*Service
	players *httptest.Server
	ingest  *httptest.Server // plain
}

func newRig(t testing.TB, c Config) *rig {
	t.Helper()
	env := testkit.Env(t)
	t.Cleanup(func() { // hijacked connections outlive their server
		testkit.Eventually(t, 10*time.Second, "sockets released", func() bool { return env.Sockets.Len() == 0 })
	})
	s, err := New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	eps := s.Endpoints()
	r := &rig{Service: s, players: testkit.Serve(t, eps[0])}
	if len(eps) > 1 {
		r.ingest = httptest.NewServer(eps[1].Guard(eps[1].Handler))
		t.Cleanup(r.ingest.Close)
	}
	return r
}

// publish POSTs the stream and returns when the service has taken it.
func (r *rig) publish(t testing.TB, stream []byte) {
	t.Helper()
	resp, err := r.ingest.Client().Post(r.ingest.URL+"/kasmaudio", "", bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("publisher: %s", resp.Status)
	}
}

// onAir is a publisher that stays.
func (r *rig) onAir(t testing.TB) (w *io.PipeWriter, status chan int) {
	t.Helper()
	body, w := io.Pipe()
	status = make(chan int, 1)
	var done sync.WaitGroup
	done.Go(func() {
		resp, err := r.ingest.Client().Post(r.ingest.URL+"/kasmaudio", "", body)
		if err != nil {
			status <- -1
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	})
	t.Cleanup(func() {
		w.CloseWithError(io.ErrUnexpectedEOF)
		done.Wait()
	})
	return w, status
}

// hear reads from the socket until it has so many bytes.
func hear(t testing.TB, conn *websocket.Conn, n int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []byte
	for len(got) < n {
		typ, b, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
		}
		if typ != websocket.MessageBinary || len(b)%packetSize != 0 {
			t.Fatalf("a %v message of %d bytes", typ, len(b))
		}
		got = append(got, b...)
	}
	return got
}

func (r *rig) waitPlayers(t testing.TB, n int) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, "players joined or left", func() bool { return r.stream.len() == n })
}

func TestPlayerStaysThroughPublishers(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL+"/any/path?and=query")
	r.waitPlayers(t, 1)
	first, second := tsStream(80), tsStream(77)
	for _, stream := range [][]byte{first, second} {
		r.publish(t, stream)
		if got := hear(t, conn, len(stream)); !bytes.Equal(got, stream) {
			t.Fatalf("heard %d bytes that differ from the %d published", len(got), len(stream))
		}
	}
}

func TestHalfPacketOfOnePublisherIsNotJoinedToTheNext(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	stream := tsStream(3)
	r.publish(t, stream[:len(stream)-88])
	r.publish(t, stream)
	want := append(bytes.Clone(stream[:len(stream)-packetSize]), stream...)
	if got := hear(t, conn, len(want)); !bytes.Equal(got, want) {
		t.Fatal("the second publisher's packets are not aligned")
	}
}

func TestLatePlayerGetsTablesFirst(t *testing.T) {
	r := newRig(t, testConfig())
	air, _ := r.onAir(t)
	stream := tsStream(3)
	tables, frame := stream[:2*packetSize], stream[2*packetSize:5*packetSize]
	write(t, air, stream[:5*packetSize])
	testkit.Eventually(t, 5*time.Second, "published", func() bool { return r.stream.ring.newest() != nil })
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	write(t, air, frame)
	want := append(bytes.Clone(tables), frame...)
	if got := hear(t, conn, len(want)); !bytes.Equal(got, want) {
		t.Fatal("a late player does not begin with PAT and PMT")
	}
	write(t, air, frame)
	if got := hear(t, conn, len(frame)); !bytes.Equal(got, frame) {
		t.Fatal("the second message is not the frame alone")
	}
}

func write(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestNewestPublisherWins(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	old, status := r.onAir(t)
	stream := tsStream(4)
	write(t, old, stream)
	hear(t, conn, len(stream))
	r.publish(t, stream)
	if got := hear(t, conn, len(stream)); !bytes.Equal(got, stream) {
		t.Fatal("the new publisher is not heard")
	}
	select {
	case code := <-status:
		if code != http.StatusConflict && code != -1 {
			t.Fatalf("the old publisher got %d", code)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the old publisher is not cut")
	}
}

func TestWrongSecretIsRefusedAndCut(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	for _, path := range []string{"/", "/kasmaudio2", "/kasm", "/x/kasmaudio", "/Kasmaudio"} {
		body, w := io.Pipe()
		go func() {
			var err error
			for err == nil {
				_, err = w.Write(tsStream(1))
			}
		}()
		resp, err := r.ingest.Client().Post(r.ingest.URL+path, "", body)
		w.CloseWithError(io.ErrClosedPipe)
		if err == nil { // the server may cut before the client has read the answer
			resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
	}
	resp, err := r.ingest.Client().Get(r.ingest.URL + "/kasmaudio")
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Fatalf("GET: %v %v", resp, err)
	}
	resp.Body.Close()
	want := tsStream(5)
	r.publish(t, want)
	if got := hear(t, conn, len(want)); !bytes.Equal(got, want) {
		t.Error("a refused publisher was heard")
	}
	if n := r.count.refused.With(ingestWrongPath).Get(); n != 5 {
		t.Errorf("%v refusals counted, want 5", n)
	}
}

func TestPlayerThatSpeaksIsClosed(t *testing.T) {
	r := newRig(t, testConfig())
	for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		conn := testkit.Dial(t, r.players.URL)
		if err := conn.Write(t.Context(), typ, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); ws.CloseCode(err) != ws.UnsupportedData {
			t.Errorf("%v: closed with %v, want 1003", typ, err)
		}
	}
	conn := testkit.Dial(t, r.players.URL)
	if err := conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20)); err != nil && ws.CloseCode(err) == -1 {
		t.Logf("gigantic message: %v", err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("a gigantic message is taken")
	}
	r.waitPlayers(t, 0)
}

func TestPlainRequests(t *testing.T) {
	r := newRig(t, testConfig())
	client := testkit.Client(t)
	get := func(path, token string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.players.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", testkit.Authorization(token))
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	if resp := get("/", testkit.Token); resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("GET /: %s, want 426", resp.Status)
	}
	if resp := get("/stream.ts", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET /stream.ts without credential: %s, want 401", resp.Status)
	}
	resp := get("/stream.ts", testkit.Token)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "video/mp2t" {
		t.Fatalf("GET /stream.ts: %s %v", resp.Status, resp.Header)
	}
	r.waitPlayers(t, 1)
	stream := tsStream(9)
	r.publish(t, stream)
	got := make([]byte, len(stream))
	if _, err := io.ReadFull(resp.Body, got); err != nil || !bytes.Equal(got, stream) {
		t.Errorf("stream.ts differs from what was published (%v)", err)
	}
	resp.Body.Close()
	r.waitPlayers(t, 0)
}

func TestFiftyPlayersComeAndGo(t *testing.T) {
	r := newRig(t, testConfig())
	air, _ := r.onAir(t)
	var going sync.WaitGroup
	stream := tsStream(2)
	for range 50 {
		going.Go(func() {
			conn := testkit.Dial(t, r.players.URL)
			if _, _, err := conn.Read(t.Context()); err != nil {
				t.Error(err)
			}
			_ = conn.Close(websocket.StatusNormalClosure, "")
		})
	}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				_, _ = air.Write(stream)
			}
		}
	})
	going.Wait()
	close(stop)
	sending.Wait()
	r.waitPlayers(t, 0)
	testkit.Eventually(t, 5*time.Second, "sockets released", func() bool { return r.env.Sockets.Len() == 0 })
}

func TestDrainClosesPlayersWithGoingAway(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	closed := make(chan error, 1)
	go func() {
		_, _, err := conn.Read(context.Background())
		closed <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if left := r.env.Sockets.Drain(ctx); left != 0 {
		t.Errorf("%d sockets left", left)
	}
	if err := <-closed; ws.CloseCode(err) != ws.GoingAway {
		t.Errorf("closed with %v, want 1001", err)
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	c := Config{Addr: "x", IngestAddr: "y", Secret: "a/b", Source: "z", SourceIdle: -1, MaxLag: 1, Channels: 3, Bitrate: "9k"}
	err := c.Validate()
	if err == nil {
		t.Fatal("valid")
	}
	for _, flag := range []string{"addr", "ingest-addr", "secret", "source", "source-idle", "max-lag", "ffmpeg", "channels", "bitrate"} {
		if !bytes.Contains([]byte(err.Error()), []byte("--audioout-"+flag+" ")) {
			t.Errorf("--audioout-%s is not named", flag)
		}
	}
	if err := testConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	stereo := testConfig()
	stereo.Channels, stereo.Bitrate = 2, "384k"
	if err := stereo.Validate(); err != nil {
		t.Error(err)
	}
	off := testConfig()
	off.IngestAddr = "off"
	if err := off.Validate(); err == nil {
		t.Error("--audioout-source ingest without an ingest is valid")
	}
}

func TestIngestModeNeedsNoDevice(t *testing.T) {
	r := newRig(t, testConfig())
	r.dial = func(context.Context) (soundServer, error) { return nil, errors.New("not asked for") }
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, func() { close(ready) }) }()
	<-ready
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFFmpegModeHasNoIngest(t *testing.T) {
	c := testConfig()
	c.Source = sourceFFmpeg
	s, err := New(c, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(s.Endpoints(), func(e service.Endpoint) bool { return e.Name == "ingest" }) {
		t.Error("there is an ingest")
	}
}
