# Write nnet_coef.csv and nnet_vcov.csv: what R's nnet makes of anes96.csv.
#
#     Rscript make_nnet.R
#
# Made by R 4.2.2 with nnet 7.3.18. Rows and columns are class by class, in a class
# the intercept and then the features.
library(nnet)
data <- read.csv("anes96.csv")
data$PID <- factor(data$PID)
fit <- multinom(PID ~ logpopul + selfLR + age + educ + income, data,
                maxit = 10000, reltol = 1e-16, abstol = 0, trace = FALSE, Hess = TRUE)
# the optimiser stops a little early; Newton's method ends it
for (i in 1:5) {
  theta <- as.vector(t(coef(fit)))
  X <- model.matrix(fit)
  P <- fitted(fit)[, -1]
  Y <- sapply(levels(data$PID)[-1], function(k) data$PID == k)
  score <- as.vector(t(X) %*% (Y - P))
  theta <- theta + solve(fit$Hessian, score)
  fit$wts[as.vector(matrix(seq_along(fit$wts), ncol = 7)[-1, -1])] <- theta
  fit$fitted.values <- local({
    E <- exp(cbind(0, X %*% matrix(theta, ncol(X))))
    E / rowSums(E)
  })
  fit$Hessian <- nnet:::multinomHess(fit, X)
}
write_exact <- function(x, file) {
  text <- formatC(x, digits = 17, format = "g")
  write.table(text, file, sep = ",", quote = FALSE, row.names = FALSE, col.names = FALSE)
}
write_exact(coef(fit), "nnet_coef.csv")
write_exact(vcov(fit), "nnet_vcov.csv")
