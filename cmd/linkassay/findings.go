package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/reports"
)

// owner is an account and a Region, which have a Security Hub of their own.
type owner struct{ account, region string }

// owners are the sides of the links, with how to get into each.
func owners(links []provision.Link) map[owner]provision.Party {
	all := map[owner]provision.Party{}
	add := func(p provision.Party, region string) {
		k := owner{p.Account, region}
		if known, ok := all[k]; !ok || known.Access == provision.AccessNone {
			all[k] = p
		}
	}
	for _, l := range links {
		add(l.Provider.Party, l.ProviderRegion())
		add(l.Consumer.Party, l.Region)
	}
	return all
}

// importFindings imports the verdicts into the Security Hub of each side that may be asked, and tells on stderr what it did.
// What was not imported counts as could not tell.
func (s *assay) importFindings(ctx context.Context, links []provision.Link) {
	err := guard("import findings", func() error {
		findings, err := reports.Findings(&s.report)
		if err != nil {
			return err
		}
		var order []owner
		batches := map[owner][]json.RawMessage{}
		for _, f := range findings {
			b, err := json.Marshal(f)
			if err != nil {
				return fmt.Errorf("encode the finding %s: %w", f.ID, err)
			}
			k := owner{f.AwsAccountID, f.Region}
			if batches[k] == nil {
				order = append(order, k)
			}
			batches[k] = append(batches[k], b)
		}
		parties := owners(links)
		var errs []error
		for _, k := range order {
			if parties[k].Access == provision.AccessNone {
				fmt.Fprintf(s.app.err, "not imported: %d findings of account %s, to which the link file gives no access\n", len(batches[k]), k.account)
				continue
			}
			n, err := importInto(ctx, parties[k], k.region, batches[k])
			fmt.Fprintf(s.app.err, "imported %d of %d findings into Security Hub of account %s in %s\n", n, len(batches[k]), k.account, k.region)
			if err != nil {
				errs = append(errs, fmt.Errorf("import findings into Security Hub of account %s in %s: %w", k.account, k.region, err))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil && ctx.Err() == nil { // an interrupt is told anyway
		s.err = errors.Join(s.err, withCode(exitUntold, err))
	}
}

// importInto imports into one Security Hub and says how many it took.
func importInto(ctx context.Context, p provision.Party, region string, findings []json.RawMessage) (int, error) {
	clients, err := provision.OpenParty(ctx, p, region)
	if err != nil {
		return 0, err
	}
	defer clients.Close()
	out, err := clients.ImportFindings(ctx, findings)
	if err == nil && len(out.Failed) > 0 {
		f := out.Failed[0]
		return out.Imported, fmt.Errorf("it refused %d, the first: %s: %s: %s", len(out.Failed), f.ID, f.Code, f.Message)
	}
	class, code, message := awsapi.Classify(err)
	if err == nil {
		return out.Imported, nil
	}
	switch {
	case class == awsapi.ClassCredentials && code != "":
		message = code // what AWS says of a signature or of a role may hold what it was sent: tokens, the external id
	case code != "" && code != message:
		message = code + ": " + message
	}
	switch {
	case code == "InvalidAccessException":
		message += " (turn Security Hub on there)"
	case class == awsapi.ClassDenied:
		message += " (allow securityhub:BatchImportFindings to this side's identity)"
	case class == awsapi.ClassCredentials:
		message += " (no usable AWS credentials)"
	}
	return out.Imported, errors.New(message)
}
