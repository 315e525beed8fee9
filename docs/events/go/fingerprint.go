package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/blake2b"
)

const largest = 1<<53 - 1

// Scope says whose requests they are; Secret is what DeriveKey gave.
type Scope struct {
	Provider, Account, Environment string
	Secret                         []byte
}

// DeriveKey is HKDF-SHA-256 of the secret that all hosts and languages of an account share: 32 bytes.
func DeriveKey(secret string) []byte {
	extracted := sum([]byte("render-auditor/k1"), []byte(secret))
	return sum(extracted, []byte("fingerprint\x01"))
}

func sum(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// Key is the fingerprint of a request, whose values come from a json.Decoder with UseNumber.
func (scope Scope) Key(template, version string, overrides, options map[string]interface{}) (string, error) {
	kept := map[string]interface{}{}
	for name, value := range options {
		if value != nil {
			kept[name] = value
		}
	}
	if kept["format"] == "jpg" {
		kept["format"] = "jpeg"
	}
	var parts [][]byte
	for _, name := range []string{scope.Provider, scope.Account, strings.ToLower(scope.Environment), template, version} {
		parts = append(parts, []byte(name))
	}
	for _, value := range []interface{}{overrides, kept} {
		text, err := Canonical(value)
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	var message bytes.Buffer
	for _, part := range parts {
		fmt.Fprintf(&message, "%d:%s", len(part), part)
	}
	return "k1:" + scope.keyed(message.Bytes()), nil
}

func (scope Scope) keyed(message []byte) string {
	hash, err := blake2b.New256(scope.Secret)
	if err != nil {
		panic(err) // a key of 32 bytes is never too long
	}
	hash.Write(message)
	return hex.EncodeToString(hash.Sum(nil))
}

// Inputs are the fields (dot paths) with keyed digests of their values, for the event's `inputs`.
func (scope Scope) Inputs(overrides map[string]interface{}) (map[string]string, error) {
	found := map[string]string{}
	return found, scope.leaves("", overrides, found)
}

func (scope Scope) leaves(prefix string, value interface{}, found map[string]string) error {
	if fields, nested := value.(map[string]interface{}); nested && len(fields) > 0 {
		for name, each := range fields {
			path := name
			if prefix != "" {
				path = prefix + "." + name
			}
			if err := scope.leaves(path, each, found); err != nil {
				return err
			}
		}
		return nil
	}
	if prefix == "" {
		return nil
	}
	text, err := Canonical(value)
	if err == nil {
		found[prefix] = scope.keyed(text)[:16]
	}
	return err
}

// Canonical gives RFC 8785 bytes.
func Canonical(value interface{}) ([]byte, error) {
	var out bytes.Buffer
	err := write(&out, value)
	return out.Bytes(), err
}

func write(out *bytes.Buffer, value interface{}) error {
	switch value := value.(type) {
	case nil:
		out.WriteString("null")
	case bool:
		fmt.Fprint(out, value)
	case string:
		quote(out, value)
	case json.Number:
		number, err := value.Float64()
		if err != nil || number > largest || number < -largest {
			return errors.New("a number beyond 2^53 - 1 has no canonical JSON: send it as text")
		}
		text, _ := json.Marshal(number) // as ECMAScript writes it, but for -0
		if number == 0 {
			text = []byte("0")
		}
		out.Write(text)
	case []interface{}:
		out.WriteByte('[')
		for index, each := range value {
			if index > 0 {
				out.WriteByte(',')
			}
			if err := write(out, each); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case map[string]interface{}:
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Slice(names, func(a, b int) bool { return before(names[a], names[b]) })
		out.WriteByte('{')
		for index, name := range names {
			if index > 0 {
				out.WriteByte(',')
			}
			quote(out, name)
			out.WriteByte(':')
			if err := write(out, value[name]); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	default:
		return fmt.Errorf("%T has no canonical JSON", value)
	}
	return nil
}

// before compares by UTF-16 units, which is not the order of bytes beyond U+FFFF.
func before(a, b string) bool {
	left, right := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for index := 0; index < len(left) && index < len(right); index++ {
		if left[index] != right[index] {
			return left[index] < right[index]
		}
	}
	return len(left) < len(right)
}

// quote is not json.Marshal, which escapes <, >, &, U+2028 and U+2029 too.
func quote(out *bytes.Buffer, text string) {
	short := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	out.WriteByte('"')
	for _, char := range text {
		if escaped, found := short[char]; found {
			out.WriteString(escaped)
		} else if char < 0x20 {
			fmt.Fprintf(out, `\u%04x`, char)
		} else {
			out.WriteRune(char)
		}
	}
	out.WriteByte('"')
}
