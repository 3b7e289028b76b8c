# glmnet for solvers.py, as a session that answers one line with one line.
#
#   load FOLDER                       data that solvers.py has written there
#   fit ALPHA LAMBDA THRESH PATH GROUPED FOLDER
#                                     ALPHA: glmnet's mixing of l1; PATH: 1 for the
#                                     one lambda alone, else the number of lambdas
#                                     down to it; the answer is the seconds around
#                                     glmnet() alone, coefficients go to the folder
suppressPackageStartupMessages({library(glmnet); library(Matrix)})

numbers <- function(folder, name, what, n) {
  readBin(file.path(folder, name), what, n = n, size = if (what == "double") 8 else 4)
}

load_data <- function(folder) {
  shape <- numbers(folder, "shape", "integer", 4)  # n, d, nnz or -1, K
  n <- shape[1]; d <- shape[2]; nnz <- shape[3]; K <- shape[4]
  if (nnz < 0) {
    X <<- matrix(numbers(folder, "x", "double", n * d), n, d)
  } else {
    X <<- new("dgCMatrix", Dim = c(n, d), p = numbers(folder, "p", "integer", d + 1),
              i = numbers(folder, "i", "integer", nnz),
              x = numbers(folder, "x", "double", nnz))
  }
  y <<- factor(numbers(folder, "y", "integer", n), levels = 0:(K - 1))
  "loaded"
}

fit_model <- function(alpha, lambda, thresh, path, grouped, folder) {
  lambdas <- lambda
  if (path > 1) {
    # the lambda at which all is zero, as glmnet has it (alpha = 0 counts as 0.001)
    sums <- as.matrix(crossprod(X, model.matrix(~ y - 1)))
    gradient <- (rowSums(sums) %o% (as.vector(table(y)) / length(y)) - sums)
    largest <- max(abs(gradient)) / length(y) / max(alpha, 1e-3)
    lambdas <- exp(seq(log(max(largest, lambda)), log(lambda), length.out = path))
    lambdas[path] <- lambda
  }
  arguments <- list(X, y, alpha = alpha, lambda = lambdas, thresh = thresh,
                    standardize = FALSE, maxit = 1e8)
  if (nlevels(y) == 2) {
    arguments$family <- "binomial"
  } else {
    arguments$family <- "multinomial"
    arguments$type.multinomial <- if (grouped) "grouped" else "ungrouped"
  }
  # fdev: without it glmnet ends the path early where little deviance is gained
  glmnet.control(fdev = 0, devmax = 1)
  # Not by system.time: collecting garbage first takes longer than most fits.
  for (turn in 1:2) {  # the second one in warm caches
    start <- Sys.time()
    model <- do.call(glmnet, arguments)
    seconds <- as.numeric(difftime(Sys.time(), start, units = "secs"))
    if (seconds > 1) break
  }
  last <- length(model$lambda)
  if (last == 0 || abs(model$lambda[last] / lambda - 1) > 1e-9)
    stop("glmnet did not come to the last lambda")
  if (nlevels(y) == 2) {
    coef <- as.vector(model$beta[, last]); intercept <- model$a0[last]
  } else {
    coef <- as.vector(sapply(model$beta, function(b) as.vector(b[, last])))
    intercept <- model$a0[, last]
  }
  output <- file(file.path(folder, "coef"), "wb")
  writeBin(as.double(c(coef, intercept)), output)
  close(output)
  paste("seconds", format(seconds, digits = 15))
}

input <- file("stdin", "r")
repeat {
  line <- readLines(input, n = 1)
  if (length(line) == 0) break
  words <- strsplit(line, "\t")[[1]]
  answer <- tryCatch(
    suppressWarnings(switch(words[1],
      load = load_data(words[2]),
      fit = fit_model(as.numeric(words[2]), as.numeric(words[3]),
                      as.numeric(words[4]), as.integer(words[5]),
                      words[6] == "True", words[7]))),
    error = function(e) paste("error", gsub("[\r\n]+", " ", conditionMessage(e))))
  cat(answer, "\n", sep = "")
  flush(stdout())
}
