// Requests as JSON Lines on standard input -> their key and inputs, or the reason why they have none.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"regexp"
)

type request struct {
	Secret, Provider, Account, Environment, Template string
	Version                                          string `json:"template_version"`
	Overrides, Options                               map[string]interface{}
}

type answer struct {
	Key    string            `json:"key"`
	Inputs map[string]string `json:"inputs"`
}

var escapes = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)`)

// halves tells whether half a surrogate pair is escaped in a line: encoding/json would put U+FFFD in its place.
func halves(line []byte) bool {
	for _, found := range escapes.FindAll(line, -1) {
		if len(found) == 6 && bytes.EqualFold(found[:3], []byte(`\ud`)) && found[3] >= '8' {
			return true
		}
	}
	return false
}

func of(line []byte) (found answer, err error) {
	if halves(line) {
		return found, errors.New("half a surrogate pair has no canonical JSON")
	}
	var asked request
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err = decoder.Decode(&asked); err != nil {
		return found, err
	}
	scope := Scope{asked.Provider, asked.Account, asked.Environment, DeriveKey(asked.Secret)}
	if found.Key, err = scope.Key(asked.Template, asked.Version, asked.Overrides, asked.Options); err == nil {
		found.Inputs, err = scope.Inputs(asked.Overrides)
	}
	return found, err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var said interface{}
		if found, err := of(lines.Bytes()); err == nil {
			said = found
		} else {
			said = map[string]string{"error": err.Error()}
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}
