// Package testkit is what the tests of all packages share: the leak gate, servers as the process would run
// them, and the real peers and devices (PulseAudio, Chromium, the ghostaux binary). Only tests import it.
// What a test needs and the machine lacks fails the test; `make test` installs it.
package testkit
