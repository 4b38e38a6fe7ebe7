package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Response writes an operation's result. result is a structure, or a pointer to one, whose fields
// become the children of the response element (of the result element in the query protocol); nil
// stands for none.
func (s Service) Response(operation, requestID string, result any) ([]byte, error) {
	fields, err := children(result)
	if err != nil {
		return nil, fmt.Errorf("encode the response of %s %s: %w", s.Name, operation, err)
	}
	var b bytes.Buffer
	switch s.Protocol {
	case EC2:
		fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<%sResponse xmlns="%s"><requestId>%s</requestId>`, operation, s.Namespace, requestID)
		b.Write(fields)
	case RESTXML:
		fmt.Fprintf(&b, `<?xml version="1.0"?>`+"\n"+`<%sResponse xmlns="%s">`, operation, s.Namespace)
		b.Write(fields)
	default:
		// SDKs insist on the result element, also when nothing is in it.
		fmt.Fprintf(&b, `<%sResponse xmlns="%s"><%sResult>`, operation, s.Namespace, operation)
		b.Write(fields)
		fmt.Fprintf(&b, `</%sResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>`, operation, requestID)
	}
	fmt.Fprintf(&b, `</%sResponse>`, operation)
	return b.Bytes(), nil
}

// children encodes a structure without an element around it.
func children(result any) ([]byte, error) {
	v := reflect.ValueOf(result)
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil, nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil, nil
	}
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("result is a %s, not a structure", v.Type())
	}
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	if err := e.EncodeElement(v.Interface(), xml.StartElement{Name: xml.Name{Local: "r"}}); err != nil {
		return nil, err
	}
	out, ok := bytes.CutPrefix(b.Bytes(), []byte("<r>"))
	if !ok {
		return nil, errors.New("result has attributes")
	}
	return bytes.TrimSuffix(out, []byte("</r>")), nil
}

// BatchError is Route 53's InvalidChangeBatch: everything that is wrong with a change batch.
//
// The SDKs know two shapes for it. This is the one that AWS sends (seen in the messages of boto3,
// Terraform and external-dns: one text with all problems in brackets); botocore shows nothing at all
// of the other one, an <InvalidChangeBatch> element with <Messages>.
type BatchError struct{ Messages []string }

func (e *BatchError) Error() string { return "InvalidChangeBatch: " + e.message() }

func (e *BatchError) message() string { return "[" + strings.Join(e.Messages, ", ") + "]" }

// As makes a BatchError an *Error wherever one is looked for.
func (e *BatchError) As(target any) bool {
	t, ok := target.(**Error)
	if ok {
		*t = &Error{Status: 400, Code: "InvalidChangeBatch", Message: e.message()}
	}
	return ok
}

// Failure writes an error in the service's shape and gives its HTTP status. What is not an
// *Error becomes an InternalError without its text: that belongs in the log.
func (s Service) Failure(requestID string, err error) (status int, body []byte) {
	var b bytes.Buffer
	var e *Error
	if !errors.As(err, &e) {
		e = Errorf(500, "InternalError", "An internal error has occurred")
	}
	code, message := escape(e.Code), escape(e.Message)
	if s.Protocol == EC2 {
		fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
			`<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>`, code, message, requestID)
		return e.Status, b.Bytes()
	}
	if s.Protocol == RESTXML {
		b.WriteString(`<?xml version="1.0"?>` + "\n")
	}
	fault := "Sender"
	if e.Status >= 500 {
		fault = "Receiver"
	}
	fmt.Fprintf(&b, `<ErrorResponse xmlns="%s"><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>`,
		s.Namespace, fault, code, message, requestID)
	return e.Status, b.Bytes()
}

// escape makes text safe between tags. Bytes that XML cannot hold, escape sequences of terminals
// among them, become replacement characters.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
