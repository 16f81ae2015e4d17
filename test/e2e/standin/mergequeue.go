package standin

const queuePrefix = "gh-readonly-queue/"
