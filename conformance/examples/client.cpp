// A program that answers for two layers, in C++: the other side of conformance.targets.command.
//
//     g++ -std=c++17 -O2 -ffp-contract=off conformance/examples/client.cpp -o client
//     pytest --target="command:./client"
#include <cctype>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// As much of JSON as the headers need.
struct Json {
    std::string text;  // of a string, a number, true, false or null
    std::vector<Json> list;
    std::map<std::string, Json> fields;

    const Json& operator[](const std::string& name) const { return fields.at(name); }
    bool none() const { return text == "null"; }
    long number() const { return std::stol(text); }
};

struct Parser {
    const std::string& text;
    size_t at = 0;

    char next() {
        while (std::isspace(static_cast<unsigned char>(text.at(at)))) ++at;
        return text[at];
    }

    Json value() {
        Json found;
        const char begin = next();
        if (begin == '{' || begin == '[') {
            for (++at; next() != '}' && next() != ']';) {
                if (next() == ',') { ++at; continue; }
                if (begin == '[') { found.list.push_back(value()); continue; }
                const std::string name = value().text;
                next(), ++at;  // the colon
                found.fields[name] = value();
            }
            ++at;
        } else if (begin == '"') {
            for (++at; text.at(at) != '"'; ++at) found.text += text[at] == '\\' ? text.at(++at) : text[at];
            ++at;
        } else {
            while (at < text.size() && !std::isspace(static_cast<unsigned char>(text[at])) && text[at] != ',' &&
                   text[at] != '}' && text[at] != ']')
                found.text += text[at++];
        }
        return found;
    }
};

struct Array {
    std::vector<long> shape;
    std::vector<float> values;
};

Array read(const Json& header) {
    if (header["format"].text != "float32") throw std::runtime_error("float32 alone");
    Array found;
    long count = 1;
    for (const Json& side : header["shape"].list) found.shape.push_back(side.number()), count *= side.number();
    found.values.resize(count);
    std::cin.read(reinterpret_cast<char*>(found.values.data()), count * sizeof(float));
    return found;
}

void write(const Array& found) {
    std::string shape;
    for (long side : found.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(side);
    std::cout << "{\"arrays\": [{\"format\": \"float32\", \"shape\": [" << shape << "]}]}\n";
    std::cout.write(reinterpret_cast<const char*>(found.values.data()), found.values.size() * sizeof(float));
}

Array relu(Array input) {
    for (float& x : input.values) x = x < 0 ? 0 : x;  // NaN stays
    return input;
}

Array linear(const Array& input, const Array& weight, const Array* bias) {
    if (input.shape.empty() || weight.shape.size() != 2 || input.shape.back() != weight.shape[1])
        throw std::runtime_error("the input does not fit the weight");
    const long outs = weight.shape[0], ins = weight.shape[1];
    if (bias && bias->shape != std::vector<long>{outs}) throw std::runtime_error("the bias does not fit the weight");
    Array found{input.shape, {}};
    found.shape.back() = outs;
    long rows = 1;
    for (size_t axis = 0; axis + 1 < input.shape.size(); ++axis) rows *= input.shape[axis];
    for (long row = 0; row < rows; ++row)
        for (long out = 0; out < outs; ++out) {
            float sum = bias ? bias->values[out] : 0;
            for (long in = 0; in < ins; ++in) sum += input.values[row * ins + in] * weight.values[out * ins + in];
            found.values.push_back(sum);
        }
    return found;
}

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const Json request = Parser{line}.value();
        if (request["ask"].text == "describe") {
            std::cout << "{\"layers\": [\"linear\", \"relu\"], \"formats\": [\"float32\"]}" << std::endl;
            continue;
        }
        std::vector<Array> arrays;
        for (const Json& header : request["arrays"].list) arrays.push_back(read(header));
        std::vector<const Array*> tensors;
        for (const Json& place : request["tensors"].list)
            tensors.push_back(place.none() ? nullptr : &arrays.at(place.number()));
        try {
            write(request["layer"].text == "relu" ? relu(*tensors.at(0))
                                                  : linear(*tensors.at(0), *tensors.at(1), tensors.at(2)));
        } catch (const std::exception& error) {
            std::cout << "{\"error\": \"" << error.what() << "\"}\n";
        }
        std::cout.flush();
    }
}
