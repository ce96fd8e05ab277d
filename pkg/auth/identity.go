package auth

import "context"

// Role is what an identity may do.
type Role uint8

// The roles of .kasmpasswd: "r" is a Viewer, "w" and "o" are Owners.
const (
	Viewer Role = iota + 1 // may listen and look
	Owner                  // may do everything
)

// String is the role's name in JSON and logs.
func (r Role) String() string {
	switch r {
	case Viewer:
		return "viewer"
	case Owner:
		return "owner"
	}
	return "none"
}

// Identity is who a request comes from.
type Identity struct {
	User string
	Role Role
}

type identityKey struct{}

// From returns the identity that the guard found, or the zero Identity behind Open.
func From(ctx context.Context) Identity {
	id, _ := ctx.Value(identityKey{}).(Identity)
	return id
}

func with(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, id)
}
