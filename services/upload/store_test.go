package upload

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/metrics"
)

func openTest(t *testing.T, dir string, change func(*Config)) *store {
	t.Helper()
	c := defaults(dir)
	if change != nil {
		change(&c)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := openStore(c, dir, log, newCounters(metrics.New()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func testSpec(key string, total int) spec {
	return spec{key: dropzoneKey + key, total: int64(total), need: int64(total), place: place{name: key + ".bin"}}
}

// send writes content[from:to], and leaves as a torn request does when torn is not nil.
func send(s *store, sp spec, content []byte, at span, torn error) (bool, error) {
	w, err := s.begin(sp, at.from, false, func() {})
	if err != nil {
		return false, err
	}
	if err := w.put(content[at.from:at.to]); err != nil {
		_, _ = w.end(err)
		return false, err
	}
	published, err := w.end(torn)
	if published {
		w.tidy()
	}
	return published, err
}

// TestRandomPlans: any order, repeats, overlaps, gaps, tears and restarts give the exact file or none.
func TestRandomPlans(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 2))
		size := rng.IntN(5000)
		content := randomBytes(seed, size)
		sp := testSpec("p", size)
		dir := t.TempDir()
		s := openTest(t, dir, nil)
		var want ranges
		published := false
		for range 1 + rng.IntN(30) {
			from := rng.IntN(size + 1)
			at := span{int64(from), int64(from + rng.IntN(min(size-from, 1500)+1))}
			var torn error
			if rng.IntN(4) == 0 {
				torn = errTorn
			}
			if rng.IntN(8) == 0 {
				s.close()
				s = openTest(t, dir, nil)
			}
			ok, err := send(s, sp, content, at, torn)
			if published && errors.Is(err, errExists) {
				err = errFinished // it ended before the restart: told by the name
			}
			if published != errors.Is(err, errFinished) {
				t.Fatalf("seed %d: published %v, and then %v", seed, published, err)
			}
			if published {
				continue
			}
			want.add(at.from, at.to)
			published = want.cover(int64(size))
			if ok != published {
				t.Fatalf("seed %d: published %v with %v of %d", seed, ok, want, size)
			}
		}
		got, err := os.ReadFile(filepath.Join(dir, "p.bin"))
		if published != (err == nil) || published && !bytes.Equal(got, content) {
			t.Fatalf("seed %d: published %v, read %v, equal %v", seed, published, err, bytes.Equal(got, content))
		}
		if left, _ := os.ReadDir(dir); published && len(left) != 1 {
			t.Fatalf("seed %d: left behind: %v", seed, left)
		}
	}
}

// TestParallelPlans: many writers at once, with repeats of every piece.
func TestParallelPlans(t *testing.T) {
	for seed := range uint64(20) {
		content := randomBytes(seed, 200_000)
		s := openTest(t, t.TempDir(), nil)
		sp := testSpec("p", len(content))
		var pieces []span
		for at := int64(0); at < int64(len(content)); at += 7001 {
			piece := span{at, min(at+7001, int64(len(content)))}
			pieces = append(pieces, piece, piece)
		}
		rand.New(rand.NewPCG(seed, 3)).Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		work := make(chan span, len(pieces))
		for _, p := range pieces {
			work <- p
		}
		close(work)
		var workers sync.WaitGroup
		for range 6 {
			workers.Go(func() {
				for p := range work {
					if _, err := send(s, sp, content, p, nil); err != nil && !errors.Is(err, errFinished) {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		got, err := os.ReadFile(filepath.Join(s.root.Name(), "p.bin"))
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("seed %d: %v, equal %v", seed, err, bytes.Equal(got, content))
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	if _, err := send(s, testSpec("old", 10), make([]byte, 10), span{0, 5}, nil); err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(dir, partName("x", "0123456789abcdef"))
	if err := os.WriteFile(orphan, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.sweep(time.Now().Add(time.Minute))
	if list, _ := os.ReadDir(dir); len(list) != 3 {
		t.Fatalf("swept too early: %v", list)
	}
	s.sweep(time.Now().Add(23 * time.Hour))
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Fatalf("orphan: %v", list)
	}
	w, err := s.begin(testSpec("busy", 10), 0, false, func() {})
	if err != nil {
		t.Fatal(err)
	}
	s.sweep(time.Now().Add(25 * time.Hour))
	if list, _ := os.ReadDir(dir); len(list) != 2 || !strings.Contains(list[0].Name(), "busy") {
		t.Fatalf("after the sweep: %v", list)
	}
	if _, err := w.end(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := send(s, testSpec("old", 10), make([]byte, 10), span{5, 10}, nil); !errors.Is(err, errLost) {
		t.Fatalf("the rest of a swept file: %v", err)
	}
}

// TestDiskFull: on a file system of one mebibyte, which is the kernel's own way to say ENOSPC.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a small file system (needs root): %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s := openTest(t, dir, nil)
	s.space = func() (int64, error) { return 1 << 40, nil } // as when another program takes the space meanwhile
	small := randomBytes(1, 300_000)
	if _, err := send(s, testSpec("small", len(small)), small, span{0, 150_000}, nil); err != nil {
		t.Fatal(err)
	}
	big := testSpec("big", 3<<20)
	content := randomBytes(2, 3<<20)
	w, err := s.begin(big, 0, false, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(content) && err == nil; at += 100_000 {
		err = w.put(content[at : at+100_000])
	}
	if r := asRefusal(err); r.status != 507 || !strings.Contains(r.text, "No Space available") {
		t.Fatalf("full disk: %v", err)
	}
	if _, err := w.end(err); asRefusal(err).status != 507 {
		t.Fatalf("end: %v", err)
	}
	if _, err := send(s, big, content, span{1 << 20, 2 << 20}, nil); asRefusal(err).status != 507 {
		t.Fatalf("the next chunk of it: %v", err)
	}
	if ok, err := send(s, testSpec("small", len(small)), small, span{150_000, 300_000}, nil); !ok || err != nil {
		t.Fatalf("the other upload: %v", err)
	}
	list, _ := os.ReadDir(dir)
	if len(list) != 1 || list[0].Name() != "small.bin" {
		t.Fatalf("left: %v", list)
	}
}

func TestPartRemovedByHand(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	sp := testSpec("u", 10)
	_, _ = send(s, sp, make([]byte, 10), span{0, 5}, nil)
	_ = os.Remove(find(t, dir, partSuffix))
	for range 2 {
		if _, err := send(s, sp, make([]byte, 10), span{5, 10}, nil); !errors.Is(err, errLost) {
			t.Fatalf("got %v", err)
		}
	}
	if ok, err := send(s, sp, make([]byte, 10), span{0, 10}, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

func TestTooManyPieces(t *testing.T) {
	s := openTest(t, t.TempDir(), nil)
	sp := testSpec("u", 1<<20)
	p, err := s.part(sp, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(spansMax) {
		p.have = append(p.have, span{4 * i, 4*i + 1})
	}
	if _, err := send(s, sp, make([]byte, 1<<20), span{1<<20 - 1, 1 << 20}, nil); !errors.Is(err, errGaps) {
		t.Fatalf("got %v", err)
	}
}

func TestModesFollowTheUmask(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	sp := testSpec("u", 1)
	sp.place.folder = "d"
	if _, err := send(s, sp, []byte("x"), span{0, 1}, nil); err != nil {
		t.Fatal(err)
	}
	mask := unix.Umask(0)
	unix.Umask(mask)
	info, err := os.Stat(filepath.Join(dir, "d/u.bin"))
	if err != nil || info.Mode().Perm() != os.FileMode(0o666&^mask) {
		t.Errorf("file: %v %v", info.Mode(), err)
	}
	info, err = os.Stat(filepath.Join(dir, "d"))
	if err != nil || info.Mode().Perm() != os.FileMode(0o777&^mask) {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
}
