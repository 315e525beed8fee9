module render-auditor-events-example

go 1.19
