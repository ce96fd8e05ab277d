package auth

import "testing"

// Whatever stands in the file, a user that comes out of it has a hash and a role.
func FuzzKasmpasswd(f *testing.F) {
	f.Add([]byte("u:$5$s$h:wo\n# comment\n\nv:$5$s$h:r"))
	f.Add([]byte("u::wo"))
	f.Fuzz(func(t *testing.T, content []byte) {
		users, err := parseKasmpasswd(content)
		if err != nil {
			return
		}
		for name, u := range users {
			if name == "" || u.role == 0 || len(u.hash) < 3 {
				t.Errorf("%q: %+v", name, u)
			}
		}
	})
}
