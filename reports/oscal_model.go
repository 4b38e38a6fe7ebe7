package reports

// The part of the OSCAL Assessment Results model 1.1.2 (JSON) that linkassay writes. Names and what is required are
// NIST's: https://pages.nist.gov/OSCAL-Reference/models/v1.1.2/assessment-results/json-reference/

const oscalVersion = "1.1.2"

type oscalDocument struct {
	Results oscalAssessmentResults `json:"assessment-results"`
}

type oscalAssessmentResults struct {
	UUID       string           `json:"uuid"`
	Metadata   oscalMetadata    `json:"metadata"`
	ImportAP   oscalImport      `json:"import-ap"`
	Results    []oscalResult    `json:"results"`
	BackMatter *oscalBackMatter `json:"back-matter,omitempty"`
}

type oscalMetadata struct {
	Title        string      `json:"title"`
	LastModified string      `json:"last-modified"`
	Version      string      `json:"version"`
	OSCALVersion string      `json:"oscal-version"`
	Props        []oscalProp `json:"props,omitempty"`
	Remarks      string      `json:"remarks,omitempty"`
}

type oscalProp struct {
	Name  string `json:"name"`
	NS    string `json:"ns,omitempty"`
	Value string `json:"value"`
}

type oscalImport struct {
	Href    string `json:"href"`
	Remarks string `json:"remarks,omitempty"`
}

type oscalResult struct {
	UUID             string                 `json:"uuid"`
	Title            string                 `json:"title"`
	Description      string                 `json:"description"`
	Start            string                 `json:"start"`
	End              string                 `json:"end,omitempty"`
	Props            []oscalProp            `json:"props,omitempty"`
	LocalDefinitions *oscalLocalDefinitions `json:"local-definitions,omitempty"`
	ReviewedControls oscalReviewedControls  `json:"reviewed-controls"`
	Observations     []oscalObservation     `json:"observations,omitempty"`
	Risks            []oscalRisk            `json:"risks,omitempty"`
	Findings         []oscalFinding         `json:"findings,omitempty"`
}

type oscalLocalDefinitions struct {
	Components []oscalComponent `json:"components"`
}

type oscalComponent struct {
	UUID        string      `json:"uuid"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Props       []oscalProp `json:"props,omitempty"`
	Status      oscalState  `json:"status"`
}

type oscalState struct {
	State string `json:"state"`
}

type oscalReviewedControls struct {
	Description string                  `json:"description,omitempty"`
	Selections  []oscalControlSelection `json:"control-selections"`
}

type oscalControlSelection struct {
	Description string           `json:"description,omitempty"`
	Props       []oscalProp      `json:"props,omitempty"`
	Include     []oscalControlID `json:"include-controls"`
}

type oscalControlID struct {
	ID string `json:"control-id"`
}

type oscalObservation struct {
	UUID        string          `json:"uuid"`
	Title       string          `json:"title,omitempty"`
	Description string          `json:"description"`
	Props       []oscalProp     `json:"props,omitempty"`
	Methods     []string        `json:"methods"`
	Types       []string        `json:"types,omitempty"`
	Origins     []oscalOrigin   `json:"origins,omitempty"`
	Subjects    []oscalSubject  `json:"subjects,omitempty"`
	Evidence    []oscalEvidence `json:"relevant-evidence,omitempty"`
	Collected   string          `json:"collected"`
	Remarks     string          `json:"remarks,omitempty"`
}

type oscalOrigin struct {
	Actors []oscalActor `json:"actors"`
}

type oscalActor struct {
	Type string `json:"type"`
	UUID string `json:"actor-uuid"`
}

type oscalSubject struct {
	UUID string `json:"subject-uuid"`
	Type string `json:"type"`
}

type oscalEvidence struct {
	Href        string `json:"href,omitempty"`
	Description string `json:"description"`
}

type oscalRisk struct {
	UUID         string             `json:"uuid"`
	Title        string             `json:"title"`
	Description  string             `json:"description"`
	Statement    string             `json:"statement"`
	Props        []oscalProp        `json:"props,omitempty"`
	Status       string             `json:"status"`
	Deadline     string             `json:"deadline,omitempty"`
	Remediations []oscalRemediation `json:"remediations,omitempty"`
	Observations []oscalRelated     `json:"related-observations,omitempty"`
}

type oscalRemediation struct {
	UUID        string `json:"uuid"`
	Lifecycle   string `json:"lifecycle"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type oscalRelated struct {
	Observation string `json:"observation-uuid,omitempty"`
	Risk        string `json:"risk-uuid,omitempty"`
}

type oscalFinding struct {
	UUID         string         `json:"uuid"`
	Title        string         `json:"title"`
	Description  string         `json:"description"`
	Props        []oscalProp    `json:"props,omitempty"`
	Target       oscalTarget    `json:"target"`
	Observations []oscalRelated `json:"related-observations,omitempty"`
	Risks        []oscalRelated `json:"related-risks,omitempty"`
}

type oscalTarget struct {
	Type   string               `json:"type"`
	ID     string               `json:"target-id"`
	Status oscalObjectiveStatus `json:"status"`
}

type oscalObjectiveStatus struct {
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Remarks string `json:"remarks,omitempty"`
}

type oscalBackMatter struct {
	Resources []oscalResource `json:"resources"`
}

type oscalResource struct {
	UUID        string       `json:"uuid"`
	Title       string       `json:"title,omitempty"`
	Description string       `json:"description,omitempty"`
	Links       []oscalRLink `json:"rlinks,omitempty"`
}

type oscalRLink struct {
	Href      string `json:"href"`
	MediaType string `json:"media-type,omitempty"`
}
