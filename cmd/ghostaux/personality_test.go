package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		command  string
		want     string
		warnings int
	}{
		{
			"kasm_audio_out-linux kasmaudio 8081 4901 /h/.vnc/self.pem /h/.vnc/self.pem kasm_user:pw",
			"--only=audioout --addr=off --audioout-source=ingest --audioout-secret=kasmaudio --audioout-ingest-addr=127.0.0.1:8081 --audioout-addr=:4901 " +
				"--cert=/h/.vnc/self.pem --certkey=/h/.vnc/self.pem --auth-token=kasm_user:pw", 0,
		},
		{
			"kasm_audio_out-linux kasmaudio 8081 4901 /h/c /h/k",
			"--only=audioout --addr=off --audioout-source=ingest --audioout-secret=kasmaudio --audioout-ingest-addr=127.0.0.1:8081 --audioout-addr=:4901 --cert=/h/c --certkey=/h/k", 0,
		},
		{
			"kasm_upload_server --ssl --auth-token kasm_user:pw --port 4902 --upload_dir /h/Uploads",
			"--only=upload --addr=off --auth-token=kasm_user:pw --upload-addr=:4902 --upload-dir=/h/Uploads", 0,
		},
		{
			"kasm_upload_server --ssl --auth-token=kasm_user:p=w --upload-dir=/h/Uploads --debug true",
			"--only=upload --addr=off --auth-token=kasm_user:p=w --upload-dir=/h/Uploads --log-level=debug", 0,
		},
		{
			"kasm_upload_server --auth-token kasm_user:pw --workers 4 --brand=new --verbose",
			"--only=upload --addr=off --auth-token=kasm_user:pw --tls=off", 3,
		},
		{
			"kasm_audio_input_server --ssl --auth-token kasm_user:pw --cert /h/.vnc/self.pem --certkey /h/.vnc/self.pem",
			"--only=audioin --addr=off --auth-token=kasm_user:pw --cert=/h/.vnc/self.pem --certkey=/h/.vnc/self.pem", 0,
		},
		{
			"kasm_gamepad_server --ssl --auth-token kasm_user:pw --cert c --certkey k --port 14904",
			"--only=gamepad --addr=off --auth-token=kasm_user:pw --cert=c --certkey=k --gamepad-addr=:14904", 0,
		},
		{
			"kasm_printer_service --debug --directory /h/PDF --relay /tmp/printer",
			"--only=printer --addr=off --log-level=debug --printer-dir=/h/PDF --printer-relay=/tmp/printer --tls=off", 0,
		},
		{"kasm_smartcard_bridge --relay /tmp/smartcard", "--only=smartcard --addr=off --smartcard-relay=/tmp/smartcard --tls=off", 0},
		{"kasm_smartcard_bridge --relay", "--only=smartcard --addr=off --tls=off", 1},
	} {
		words := strings.Fields(c.command)
		p, ok := as("/dockerstartup/x/" + words[0])
		if !ok {
			t.Fatalf("%s is not known", words[0])
		}
		args, warnings := p.translate(words[1:])
		if !slices.Equal(args, strings.Fields(c.want)) || len(warnings) != c.warnings {
			t.Errorf("%s:\n got %q, %q\nwant %q", c.command, args, warnings, c.want)
		}
	}
	if _, ok := as("/usr/bin/ghostaux"); ok {
		t.Error("ghostaux itself is a personality")
	}
}
