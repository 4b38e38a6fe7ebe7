package wire

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"testing"
)

type vpcItem struct {
	ID   string       `xml:"vpcId"`
	Next string       `xml:"nextToken,omitempty"`
	Tags *Set[string] `xml:"tagSet"`
	None *Set[string] `xml:"noneSet"`
}

func service(t *testing.T, name string) Service {
	t.Helper()
	s, ok := ServiceNamed(name)
	if !ok {
		t.Fatalf("no service %s", name)
	}
	return s
}

func TestResponse(t *testing.T) {
	t.Parallel()
	item := vpcItem{ID: "a<b", Tags: SetOf([]string{"x", "y"})}
	const fields = `<vpcId>a&lt;b</vpcId><tagSet><item>x</item><item>y</item></tagSet>`
	for _, tt := range []struct {
		service, operation string
		result             any
		want               string
	}{
		{"ec2", "Op", item, `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<OpResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>` + fields + `</OpResponse>`},
		{"ec2", "Op", &item, `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<OpResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId>` + fields + `</OpResponse>`},
		{"ec2", "Op", nil, `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<OpResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId></OpResponse>`},
		{"ec2", "Op", (*vpcItem)(nil), `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<OpResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r-1</requestId></OpResponse>`},
		{"elasticloadbalancing", "Op", nil, `<OpResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><OpResult></OpResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></OpResponse>`},
		{"sts", "Op", item, `<OpResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><OpResult>` + fields + `</OpResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></OpResponse>`},
		{"route53", "Op", item, `<?xml version="1.0"?>` + "\n" + `<OpResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` + fields + `</OpResponse>`},
		{"sts", "Op", struct {
			M *Members[string] `xml:"Ms"`
			E *Members[string] `xml:"Es"`
		}{MembersOf([]string{"m"}), MembersOf[string](nil)}, `<OpResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><OpResult><Ms><member>m</member></Ms><Es></Es></OpResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></OpResponse>`},
	} {
		got, err := service(t, tt.service).Response(tt.operation, "r-1", tt.result)
		if err != nil {
			t.Errorf("%s: %v", tt.service, err)
		}
		if string(got) != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.service, got, tt.want)
		}
	}
	if _, err := service(t, "ec2").Response("Op", "r-1", "text"); err == nil {
		t.Error("a result that is no structure was encoded")
	}
}

func TestFailure(t *testing.T) {
	t.Parallel()
	e := Errorf(404, "No.Such", "not '%s'\x1b[31m", "<a>")
	const message = `not &#39;&lt;a&gt;&#39;` + "\uFFFD" + `[31m`
	for _, tt := range []struct {
		service string
		err     error
		status  int
		want    string
	}{
		{"ec2", e, 404, `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<Response><Errors><Error><Code>No.Such</Code><Message>` + message + `</Message></Error></Errors><RequestID>r-1</RequestID></Response>`},
		{"sts", e, 404, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>No.Such</Code><Message>` + message + `</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
		{"route53", e, 404, `<?xml version="1.0"?>` + "\n" + `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>No.Such</Code><Message>` + message + `</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
		{"sts", errors.New("a secret detail"), 500, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Receiver</Type><Code>InternalError</Code><Message>An internal error has occurred</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
		{"route53", &BatchError{Messages: []string{"one", "<two>"}}, 400, `<?xml version="1.0"?>` + "\n" + `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[one, &lt;two&gt;]</Message></Error><RequestId>r-1</RequestId></ErrorResponse>`},
	} {
		status, got := service(t, tt.service).Failure("r-1", tt.err)
		if status != tt.status || string(got) != tt.want {
			t.Errorf("%s %v:\n got %d %s\nwant %d %s", tt.service, tt.err, status, got, tt.status, tt.want)
		}
	}
	var as *Error
	if !errors.As(&BatchError{Messages: []string{"one"}}, &as) || as.Code != "InvalidChangeBatch" {
		t.Errorf("a batch error counts as %v", as)
	}
}

func TestAuthFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reason     Reason
		ec2, query string
	}{
		{MissingToken, "400 MissingAuthenticationToken", "403 MissingAuthenticationToken"},
		{Incomplete, "400 IncompleteSignature", "403 IncompleteSignature"},
		{UnknownKey, "401 AuthFailure", "403 InvalidClientTokenId"},
		{BadSignature, "401 AuthFailure", "403 SignatureDoesNotMatch"},
		{ExpiredSession, "400 RequestExpired", "403 ExpiredToken"},
		{Skewed, "400 RequestExpired", "403 SignatureDoesNotMatch"},
	} {
		for name, want := range map[string]string{"ec2": tt.ec2, "sts": tt.query, "elasticloadbalancing": tt.query, "route53": tt.query} {
			e := service(t, name).AuthFailure(&AuthError{Reason: tt.reason, Message: "m"})
			if got := itoa(e.Status) + " " + e.Code; got != want {
				t.Errorf("%s reason %d: %s, want %s", name, tt.reason, got, want)
			}
		}
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

func TestHeadersAndGuess(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	service(t, "ec2").SetHeaders(h, "r-1")
	for k, want := range map[string]string{"X-Amzn-Requestid": "r-1", "Server": "AmazonEC2", "Content-Type": "text/xml;charset=UTF-8"} {
		if got := h.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	for _, tt := range []struct{ path, version, want string }{
		{"/2013-04-01/hostedzone", "", "route53"},
		{"/", "2016-11-15", "ec2"},
		{"/", "2015-12-01", "elasticloadbalancing"},
		{"/", "2011-06-15", "sts"},
		{"/", "", "ec2"},
	} {
		if got := Guess(tt.path, tt.version).Name; got != tt.want {
			t.Errorf("Guess(%q, %q) is %s, want %s", tt.path, tt.version, got, tt.want)
		}
	}
}

func TestParseXML(t *testing.T) {
	t.Parallel()
	type request struct {
		Name string   `xml:"Name"`
		Keys []string `xml:"Keys>Key"`
	}
	var r request
	if err := ParseXML([]byte(`<?xml version="1.0"?><Req xmlns="https://x/"><Name>n</Name><Keys><Key>1</Key><Key>2</Key></Keys></Req>`), "Req", &r); err != nil || r.Name != "n" || len(r.Keys) != 2 {
		t.Errorf("got %+v, %v", r, err)
	}
	for body, code := range map[string]string{"": "MalformedXML", "{}": "MalformedXML", "<Other/>": "MalformedInput", "<Req><Name>": "MalformedInput"} {
		var e *Error
		if err := ParseXML([]byte(body), "Req", &request{}); !errors.As(err, &e) || e.Code != code || e.Status != 400 {
			t.Errorf("%q: %v, want %s", body, err, code)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add("", "Action=DescribeVpcs&VpcId.1=vpc-1&Filter.1.Name=a&Filter.1.Value.1=b")
	f.Add("Action=X", "A.member.1=x&A.member.2.Key=%zz")
	f.Add("a=;b", "A.1.B=1&A.1=2&A.2.B=+%20")
	f.Fuzz(func(t *testing.T, query, body string) {
		p, err := ParseForm(query, []byte(body))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code != "MalformedQueryString" {
				t.Fatalf("error %v", err)
			}
			return
		}
		n := len(p.Values())
		if got := len(p.List("A")) + len(p.Members("A")); got > n {
			t.Fatalf("%d list items out of %d parameters", got, n)
		}
		items := 0
		_ = p.Each("A", func(prefix string) error {
			if !strings.HasPrefix(prefix, "A.") {
				t.Fatalf("prefix %q", prefix)
			}
			items++
			return nil
		})
		if items > n {
			t.Fatalf("%d structures out of %d parameters", items, n)
		}
		_, _ = p.Bool("B", false)
		_, _ = p.Int("C", 0)
		out, err := Services()[0].Response("Op", "r", struct {
			Items *Set[string] `xml:"set"`
		}{SetOf(p.List("A"))})
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		var any struct{ XMLName xml.Name }
		if err := xml.Unmarshal(out, &any); err != nil {
			t.Fatalf("%q is not XML: %v", out, err)
		}
	})
}
