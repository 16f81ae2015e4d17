module github.com/argo-gatekeeper/gatekeeper/test/e2e/tools/lint

go 1.26.0
