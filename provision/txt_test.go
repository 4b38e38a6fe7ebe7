package provision

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// A Route 53 in which somebody else adds a value between our read and our write: their value must
// survive ours.
func TestTXTValueOfAnotherWriterIsKept(t *testing.T) {
	t.Parallel()
	const name = "_label.api.example.com"
	var mu sync.Mutex
	values := []string{`"theirs"`}
	var refused, accepted string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "text/xml")
		if r.Method == http.MethodGet {
			var records strings.Builder
			for _, v := range values {
				fmt.Fprintf(&records, "<ResourceRecord><Value>%s</Value></ResourceRecord>", v)
			}
			fmt.Fprintf(w, `<ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets><ResourceRecordSet><Name>%s.</Name><Type>TXT</Type><TTL>60</TTL><ResourceRecords>%s</ResourceRecords></ResourceRecordSet></ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>`, name, records.String())
			return
		}
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if refused == "" {
			refused = string(body)
			values = append(values, `"later"`)
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>[the values provided do not match the current values]</Message></Error><RequestId>r</RequestId></ErrorResponse>`)
			return
		}
		accepted = string(body)
		fmt.Fprint(w, `<ChangeResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status><SubmittedAt>2026-01-15T10:00:24Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>`)
	}))
	defer server.Close()
	c, err := awsapi.Open(t.Context(), awsapi.Access{Region: "ap-southeast-1"}, awsapi.WithStatic(server.URL, "id", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set, err := readTXT(t.Context(), c, hostedZone{id: "Z1", name: "example.com"}, name)
	if err != nil {
		t.Fatal(err)
	}
	change, err := set.add(t.Context(), c, "vpce:ours")
	if err != nil || change == "" {
		t.Fatalf("change %q, %v", change, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if strings.Contains(refused, "UPSERT") || !strings.Contains(refused, "<Action>DELETE</Action>") {
		t.Errorf("the change would overwrite what it did not read: %s", refused)
	}
	_, created, _ := strings.Cut(accepted, "<Action>CREATE</Action>")
	for _, v := range []string{"theirs", "later", "vpce:ours"} {
		if !strings.Contains(created, v) {
			t.Errorf("%s is lost in %s", v, created)
		}
	}
}
