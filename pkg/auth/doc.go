// Package auth decides who may do what: identities and roles, the guards in front of every endpoint,
// the console's login, and the one certificate of the process.
//
// A credential is the whole string "user:password". It arrives as HTTP Basic, which is what Kasm's proxy
// injects for kasm_user, or as the cookie of a session that
// the login page opened. Known credentials come from one token, or from a .kasmpasswd file with its roles.
// Comparison takes constant time, and no secret reaches a log or an answer.
package auth
