package wire

import "fmt"

// Error is an AWS API error.
type Error struct {
	Status  int    // HTTP status
	Code    string // such as InvalidVpcID.NotFound
	Message string
}

// Errorf makes an Error.
func Errorf(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Set is an EC2 list element: <xSet><item>…</item></xSet>. A pointer to it that is nil is left
// out; an empty one is written as an empty element, as AWS does for some.
type Set[T any] struct {
	Items []T `xml:"item"`
}

// SetOf makes a Set; nil items give an empty element.
func SetOf[T any](items []T) *Set[T] { return &Set[T]{Items: items} }

// Members is a query-protocol list element: <X><member>…</member></X>.
type Members[T any] struct {
	Items []T `xml:"member"`
}

// MembersOf makes a Members.
func MembersOf[T any](items []T) *Members[T] { return &Members[T]{Items: items} }
