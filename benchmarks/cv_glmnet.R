# cv.glmnet for choosing.py: FOLDER ALPHA THRESH; prints the seconds of cv.glmnet
suppressPackageStartupMessages(library(glmnet))
words <- commandArgs(trailingOnly = TRUE)
folder <- words[1]
X <- as.matrix(read.csv(file.path(folder, "X.csv")))
frame <- read.csv(file.path(folder, "y.csv"))
lambda <- read.csv(file.path(folder, "lambda.csv"))$lambda
y <- factor(frame$y)
family <- if (nlevels(y) == 2) "binomial" else "multinomial"
glmnet.control(fdev = 0, devmax = 1)
seconds <- system.time(suppressWarnings(model <- cv.glmnet(
  X, y, family = family, alpha = as.numeric(words[2]), lambda = lambda,
  foldid = frame$fold, thresh = as.numeric(words[3]), standardize = FALSE,
  maxit = 1e8)))[["elapsed"]]
parts <- coef(model$glmnet.fit, s = lambda)
if (family == "binomial") parts <- list(parts)
write.csv(do.call(rbind, lapply(parts, as.matrix)), file.path(folder, "coef.csv"),
          row.names = FALSE)
cat(seconds, "\n")
