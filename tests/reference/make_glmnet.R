# Write glmnet.csv and nnet_counts.csv: what R's glmnet and nnet make of anes96.csv.
#
#     Rscript make_glmnet.R
#
# Made by R 4.2.2 with glmnet 4.1.6 and nnet 7.3.18. A line of glmnet.csv is a case, a
# class of it, the intercept and the coefficients; test_parity.py has the same cases.
library(glmnet)
library(nnet)
data <- read.csv("anes96.csv")
X <- as.matrix(data[, c("logpopul", "selfLR", "age", "educ", "income")])
X <- t((t(X) - c(2, 4, 47, 4, 16)) / c(3, 1.5, 16, 1.5, 6))
n <- nrow(X)
row <- seq_len(n) - 1
labels <- list(binomial = factor(data$vote), multinomial = factor(data$PID))
weight <- 1 + (row %% 4) / 2
offset <- list(binomial = X[, "age"] / 2,
               multinomial = outer(X[, "educ"], (-3):3 / 6))
# 0.7 on the label and the rest on all classes, times 1, 2 or 3
counts <- lapply(labels, function(y) {
  one_hot <- sapply(levels(y), function(k) y == k)
  (0.7 * one_hot + 0.3 / ncol(one_hot)) * (1 + row %% 3)
})
factors <- c(1, 0.5, 2, 0, 3)
lower <- c(-0.05, -0.3, -0.02, 0, -Inf)
upper <- c(0.05, 0.3, Inf, 0.1, 0.02)

results <- NULL
fit <- function(case, family, lambda, alpha = 1, y = labels[[family]], factor = NULL,
                ...) {
  # glmnet rescales the factors so that they sum to the number of features
  if (is.null(factor)) factor <- rep(1, ncol(X))
  lambda <- lambda * sum(factor) / ncol(X)
  path <- lambda * c(30, 10, 3, 1)
  model <- glmnet(X, y, family, alpha = alpha, lambda = path, standardize = FALSE,
                  thresh = 1e-19, maxit = 1e8, penalty.factor = factor, ...)
  stopifnot(model$jerr == 0)
  theta <- coef(model, s = lambda)
  theta <- if (is.list(theta)) sapply(theta, as.vector) else as.matrix(theta)
  theta <- matrix(theta, ncol(X) + 1)
  rows <- data.frame(case, class = seq_len(ncol(theta)) - 1, t(theta))
  results <<- rbind(results, rows)
}

for (family in names(labels)) {
  name <- function(what) paste(family, what)
  own <- offset[[family]]
  fit(name("lasso"), family, 0.02)
  fit(name("weak lasso"), family, 0.001)
  fit(name("elastic net"), family, 0.02, 0.5)
  fit(name("ridge"), family, 0.02, 0)
  fit(name("factors"), family, 0.02, factor = factors)
  fit(name("bounds"), family, 0.005, lower.limits = lower, upper.limits = upper)
  fit(name("bounds on ridge"), family, 0.005, 0,
      lower.limits = lower, upper.limits = upper)
  fit(name("offset"), family, 0.02, 0.5, offset = own)
  fit(name("weights"), family, 0.02, 0.5, weights = weight)
  fit(name("no intercept"), family, 0.02, intercept = FALSE)
  fit(name("soft labels"), family, 0.01, y = counts[[family]])
  fit(name("everything"), family, 0.01, 0.5, y = counts[[family]], factor = factors + 0.1,
      lower.limits = lower, upper.limits = upper, weights = weight, offset = own)
}
grouped <- function(what, ...) {
  fit(paste("grouped", what), "multinomial", ..., type.multinomial = "grouped")
}
grouped("lasso", 0.05)
grouped("elastic net", 0.05, 0.5)
grouped("factors", 0.05, factor = factors)
grouped("offset and weights", 0.05, offset = offset$multinomial, weights = weight)

exact <- function(x) trimws(formatC(x, digits = 17, format = "g"))
results[-(1:2)] <- lapply(results[-(1:2)], exact)
names(results)[-(1:2)] <- c("intercept", colnames(X))
write.csv(results, "glmnet.csv", quote = FALSE, row.names = FALSE)

# Counts of three parties for each pair of selfLR and educ
party <- cut(data$PID, c(-1, 1, 4, 6), labels = FALSE)
cells <- aggregate(model.matrix(~ factor(party) - 1), data[c("selfLR", "educ")], sum)
Y <- as.matrix(cells[, 3:5])
model <- multinom(Y ~ selfLR + educ, cells, maxit = 10000, reltol = 1e-16, abstol = 0,
                  trace = FALSE)
write.table(exact(coef(model)), "nnet_counts.csv", sep = ",", quote = FALSE,
            row.names = FALSE, col.names = FALSE)
