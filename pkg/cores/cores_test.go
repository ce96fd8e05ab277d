package cores

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestCores: one core from Save on, all while there is work and for a while after it.
func TestCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes []bool
		c := &Cores{set: func(one bool) { changes = append(changes, one) }}
		expect := func(when string, want ...bool) {
			t.Helper()
			synctest.Wait()
			c.mu.Lock()
			defer c.mu.Unlock()
			if !slices.Equal(changes, want) {
				t.Fatalf("%s: changes to one core %v, want %v", when, changes, want)
			}
		}
		c.Enter()
		c.Leave()
		expect("work before Save")
		c.Save()
		expect("saved", true)
		c.Enter()
		c.Enter()
		c.Leave()
		time.Sleep(2 * rest)
		expect("one of two at work", true, false)
		c.Leave()
		time.Sleep(rest / 2)
		c.Enter()
		time.Sleep(rest)
		c.Leave()
		time.Sleep(rest - time.Millisecond)
		expect("a pause between two requests", true, false)
		time.Sleep(time.Millisecond)
		expect("all done", true, false, true)
	})
}

// TestSaveDuringWork: work that began before Save keeps its cores.
func TestSaveDuringWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := false
		c := &Cores{set: func(narrow bool) { one = narrow }}
		c.Enter()
		c.Save()
		time.Sleep(2 * rest)
		synctest.Wait()
		if one {
			t.Error("one core while there is work")
		}
		c.Leave()
		time.Sleep(rest)
		synctest.Wait()
		if !one {
			t.Error("all cores after the work")
		}
	})
}

// TestRuntime: the process really changes, and comes back to what Go would choose.
func TestRuntime(t *testing.T) {
	runtime.SetDefaultGOMAXPROCS()
	before := runtime.GOMAXPROCS(0)
	defer runtime.SetDefaultGOMAXPROCS()
	set(true)
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("%d cores instead of one", n)
	}
	set(false)
	if n := runtime.GOMAXPROCS(0); n != before {
		t.Errorf("%d cores, before %d", n, before)
	}
}

func TestChosenByAPerson(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	c := New()
	if c != nil {
		t.Fatal("the environment's choice is changed")
	}
	c.Save()
	c.Enter()
	c.Leave()
}
