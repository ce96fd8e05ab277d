package main

import (
	"slices"
	"strings"
	"testing"
)

// old are command lines of start scripts, with what becomes of them and what is said of what is left out. Empty is an empty argument.
var old = []struct{ what, command, want, warnings string }{
	{
		"sound, 1.9 to 1.18", "kasm_audio_out-linux kasmaudio 8081 4901 /h/.vnc/self.pem /h/.vnc/self.pem kasm_user:p:w%=",
		"--only=audioout --addr=off --audioout-source=ingest --audioout-secret=kasmaudio --audioout-ingest-addr=127.0.0.1:8081 --audioout-addr=:4901 " +
			"--cert=/h/.vnc/self.pem --certkey=/h/.vnc/self.pem --auth-token=kasm_user:p:w%=", "",
	},
	{
		"sound, the token is optional", "kasm_audio_out-linux kasmaudio 8081 4901 /h/c /h/k",
		"--only=audioout --addr=off --audioout-source=ingest --audioout-secret=kasmaudio --audioout-ingest-addr=127.0.0.1:8081 --audioout-addr=:4901 " +
			"--cert=/h/c --certkey=/h/k", "",
	},
	{
		"sound, flags between do not move the places", "kasm_audio_out-linux --brand kasmaudio 8081 --debug 4901 c k u:p more",
		"--only=audioout --addr=off --audioout-source=ingest --audioout-secret=kasmaudio --audioout-ingest-addr=127.0.0.1:8081 " +
			"--log-level=debug --audioout-addr=:4901 --cert=c --certkey=k --auth-token=u:p",
		"--brand is not known; an argument without a flag is not known",
	},
	{
		"upload, up to 1.14", "kasm_upload_server --ssl --auth-token kasm_user:pw",
		"--only=upload --addr=off --auth-token=kasm_user:pw", "",
	},
	{
		"upload, from 1.15", "kasm_upload_server --ssl --auth-token kasm_user:pw --port 4902 --upload_dir /h/Uploads",
		"--only=upload --addr=off --auth-token=kasm_user:pw --upload-addr=:4902 --upload-dir=/h/Uploads", "",
	},
	{
		"upload, the other spelling", "kasm_upload_server --ssl --auth-token=kasm_user:p=w --upload-dir=/h/Uploads --debug true",
		"--only=upload --addr=off --auth-token=kasm_user:p=w --upload-dir=/h/Uploads --log-level=debug", "",
	},
	{
		"switches that are off", "kasm_upload_server --debug false --ssl=False --port 4902",
		"--only=upload --addr=off --upload-addr=:4902 --tls=off", "",
	},
	{
		"one dash", "kasm_upload_server -ssl -port 4902 -auth-token kasm_user:pw",
		"--only=upload --addr=off --upload-addr=:4902 --auth-token=kasm_user:pw", "",
	},
	{
		"an empty token lets everybody in", "kasm_upload_server --ssl --auth-token Empty --port 4902",
		"--only=upload --addr=off --upload-addr=:4902", "",
	},
	{
		"flags that nobody knows", "kasm_upload_server --auth-token kasm_user:pw --workers 4 --brand=new --verbose --port 4902 stray",
		"--only=upload --addr=off --auth-token=kasm_user:pw --upload-addr=:4902 --tls=off",
		"--workers is not known; --brand is not known; --verbose is not known; an argument without a flag is not known",
	},
	{
		"microphone", "kasm_audio_input_server --ssl --auth-token kasm_user:pw --cert /h/.vnc/self.pem --certkey /h/.vnc/self.pem",
		"--only=audioin --addr=off --auth-token=kasm_user:pw --cert=/h/.vnc/self.pem --certkey=/h/.vnc/self.pem", "",
	},
	{
		"microphone, with a port", "kasm_audio_input_server --ssl --auth-token kasm_user:pw --cert c --certkey k --port 14903",
		"--only=audioin --addr=off --auth-token=kasm_user:pw --cert=c --certkey=k --audioin-addr=:14903", "",
	},
	{
		"gamepad", "kasm_gamepad_server --ssl --auth-token kasm_user:pw --cert /h/.vnc/self.pem --certkey /h/.vnc/self.pem",
		"--only=gamepad --addr=off --auth-token=kasm_user:pw --cert=/h/.vnc/self.pem --certkey=/h/.vnc/self.pem", "",
	},
	{
		"gamepad, with a port", "kasm_gamepad_server --ssl --auth-token kasm_user:pw --cert c --certkey k --port 14904",
		"--only=gamepad --addr=off --auth-token=kasm_user:pw --cert=c --certkey=k --gamepad-addr=:14904", "",
	},
	{
		"printer", "kasm_printer_service --directory /h/PDF --relay /tmp/printer",
		"--only=printer --addr=off --printer-dir=/h/PDF --printer-relay=/tmp/printer --tls=off", "",
	},
	{
		"printer, with KASM_DEBUG", "kasm_printer_service --debug --directory /h/PDF --relay /tmp/printer",
		"--only=printer --addr=off --log-level=debug --printer-dir=/h/PDF --printer-relay=/tmp/printer --tls=off", "",
	},
	{
		"smart card", "kasm_smartcard_bridge --relay /tmp/smartcard",
		"--only=smartcard --addr=off --smartcard-relay=/tmp/smartcard --tls=off", "",
	},
	{
		"smart card, with KASM_DEBUG", "kasm_smartcard_bridge --debug --relay=/tmp/smartcard",
		"--only=smartcard --addr=off --log-level=debug --smartcard-relay=/tmp/smartcard --tls=off", "",
	},
	{
		"a flag at the end without its value", "kasm_smartcard_bridge -- --relay",
		"--only=smartcard --addr=off --tls=off", "-- is not known; --relay has no value",
	},
}

func TestTranslate(t *testing.T) {
	for _, c := range old {
		words := strings.Fields(c.command)
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, "Empty", "")
		}
		p, ok := as("/dockerstartup/x/" + words[0])
		if !ok {
			t.Fatalf("%s is not known", words[0])
		}
		args, warnings := p.translate(words[1:])
		if !slices.Equal(args, strings.Fields(c.want)) || strings.Join(warnings, "; ") != c.warnings {
			t.Errorf("%s: %s:\n got %q, %q\nwant %q, %q", c.what, c.command, args, warnings, c.want, c.warnings)
		}
	}
	if _, ok := as("/usr/bin/ghostaux"); ok {
		t.Error("ghostaux itself is a personality")
	}
}

// What an old command line becomes is a command line of ghostaux.
func TestTranslatedIsUnderstood(t *testing.T) {
	for _, c := range old {
		words := strings.Fields(c.command)
		p, _ := as(words[0])
		args, _ := p.translate(words[1:])
		var stderr strings.Builder
		if code := run(append([]string{"version"}, args...), &stderr, &stderr); code != 0 && !strings.Contains(stderr.String(), "--auth-token") {
			t.Errorf("%s: %d: %s", c.command, code, stderr.String())
		}
	}
}
